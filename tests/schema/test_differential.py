"""The compiled checks compared with Cerberus: the same verdicts, values and errors.

A schema with a validator class of its own is never compiled, so it is Cerberus's word alone.
"""

from __future__ import annotations

from datetime import date, datetime
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_skmodels import InvalidInput, ModelError, Validator
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.rows import Columns, Rows
from flask_skmodels.schema.schema import FixedSchema
from tests.support.selection import cases, examples

NAMES = ("a", "b", "c")
FEW, MANY = 150, 20_000


class Uncompiled(Validator):
    """A copy of the library's validator for which no checks are compiled."""


numbers = st.one_of(
    st.integers(-5, 5),
    st.sampled_from([0.0, 1.5, -2.5, 1e308, -0.0, 2**53, 2**53 + 1, 2**63, -(2**63), 10**400]),
    st.floats(),
    st.sampled_from([nan, inf, -inf]),
)
texts = st.one_of(
    st.sampled_from(["", " ", "a", "ab", "true", "0", "1", " 2 ", "1.5", "1e400", "nan", "-inf"]),
    st.sampled_from(["1_0", "0x1", "٣", "9" * 500, "2024-02-29", "2024-02-29T01:02:03Z", "a,b"]),
    st.text(max_size=3),
)
values = st.one_of(
    numbers, texts, st.booleans(), st.none(), st.lists(st.integers(), max_size=2), st.just({})
)
scalars = st.one_of(st.integers(-3, 3), texts, st.booleans())
types = st.sampled_from(["number", "float", "integer", "string", "boolean", "date", "datetime"])
bounds = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.sampled_from([2**53, 2**53 + 1]))
coercers = st.sampled_from([int, float, str, bool])
patterns = st.sampled_from(["a*", "[0-9]+", "^a.*$", "1|2"])

rules = st.fixed_dictionaries(
    {},
    optional={
        "type": st.one_of(types, st.lists(types, min_size=1, max_size=2)),
        "min": bounds,
        "max": bounds,
        "allowed": st.lists(scalars, min_size=1, max_size=3),
        "forbidden": st.lists(scalars, max_size=3),
        "nullable": st.booleans(),
        "required": st.booleans(),
        "default": scalars,
        "coerce": coercers,
        "regex": patterns,
        "minlength": st.integers(0, 2),
        "maxlength": st.integers(0, 3),
        "empty": st.booleans(),
        "meta": st.just({"label": "x"}),
    },
)
likely_rules = st.one_of(
    rules,
    st.fixed_dictionaries({}, optional={"type": types, "nullable": st.booleans()}),
    st.fixed_dictionaries({}, optional={"min": bounds, "max": bounds, "default": st.integers()}),
    st.fixed_dictionaries({"allowed": st.lists(st.sampled_from(["a", "ab", ""]), min_size=1)}),
)


numeric_rules = st.fixed_dictionaries(
    {"type": st.sampled_from(["number", "float"])},
    optional={"min": bounds, "max": bounds, "nullable": st.booleans()},
)


@st.composite
def schemas(draw: st.DrawFn) -> tuple[FixedSchema, FixedSchema] | None:
    """Return a schema with and without compiled checks, or None if the rules are not valid."""
    drawn = numeric_rules if draw(st.booleans()) else likely_rules
    declared: dict[str, Any] = {name: draw(drawn) for name in NAMES[: draw(st.integers(1, 3))]}
    columns = tuple(
        InputColumn(
            name=name,
            type=draw(st.sampled_from(["number", "string"])),
            nullable=draw(st.booleans()),
        )
        for name in declared
    )
    if draw(st.booleans()):
        declared["alias"] = {"rename": "a"}
    options: dict[str, Any] = {"purge_unknown": draw(st.booleans())}
    inputs = Inputs(columns=columns, named=True)
    try:
        law = FixedSchema(declared, inputs, validator=Uncompiled, **options)
    except ModelError:
        return None
    return FixedSchema(declared, inputs, **options), law


def outcome(schema: FixedSchema, rows: Rows) -> Any:
    """Return the validated values with their types, or the errors."""
    try:
        X: Any = schema.clean(rows)
    except InvalidInput as exception:
        return exception.errors, exception.error_count
    flat = X.ravel().tolist()
    return X.shape, X.dtype, [(type(value), repr(value)) for value in flat]


def compare(pair: tuple[FixedSchema, FixedSchema] | None, rows: Rows) -> None:
    if pair is not None:
        compiled, law = pair
        assert outcome(compiled, rows) == outcome(law, rows)


def documents(of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from([*NAMES, "alias", "other"])
    whole = st.fixed_dictionaries(dict.fromkeys(NAMES, of))
    return st.one_of(whole, st.dictionaries(names, of, max_size=4))


def compare_records(pair: Any, records: list[Any], text: bool, repeat: int) -> None:
    compare(pair, Rows(records * repeat, text=text))


def compare_columns(pair: Any, columns: dict[str, list[Any]], text: bool) -> None:
    if columns:
        count = min(len(column) for column in columns.values())
        even = {name: column[:count] for name, column in columns.items()}
        if count:
            compare(pair, Columns(even, text=text))


items = st.one_of(
    st.lists(documents(numbers), min_size=10, max_size=12).map(lambda rows: (rows, False)),
    st.lists(documents(st.one_of(numbers, values)), min_size=10, max_size=12).map(
        lambda rows: (rows, False)
    ),
    st.lists(documents(values), min_size=1, max_size=3).map(lambda rows: (rows, False)),
    st.lists(documents(texts), min_size=1, max_size=3).map(lambda rows: (rows, True)),
    st.lists(st.lists(values, max_size=3), min_size=1, max_size=3).map(lambda rows: (rows, False)),
    st.lists(st.one_of(documents(values), values), min_size=1).map(lambda rows: (rows, False)),
)
column_names = st.sampled_from([*NAMES, "alias", "other"])
lists = st.one_of(
    st.lists(st.one_of(values, numbers), min_size=10, max_size=12),
    st.lists(numbers, min_size=10, max_size=12),
    st.lists(st.integers(-5, 5), min_size=10, max_size=12),
    st.lists(st.sampled_from(["a", "ab", "1"]), min_size=10, max_size=12),
)
text_lists = st.lists(
    st.one_of(texts, st.integers(-5, 5).map(str), st.floats(-5, 5).map(repr)),
    min_size=10,
    max_size=12,
)


def check_records(data: Any) -> None:
    (records, text), repeat = data.draw(items), data.draw(st.sampled_from([1, 10, 60]))
    compare_records(data.draw(schemas()), records, text, repeat)


def check_columns(data: Any) -> None:
    text = data.draw(st.booleans())
    columns = data.draw(st.dictionaries(column_names, text_lists if text else lists, min_size=1))
    compare_columns(data.draw(schemas()), columns, text)


relaxed = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.data_too_large],
}


@pytest.mark.no_cover  # measuring the coverage doubles the time
@given(st.data())
@settings(max_examples=examples(FEW), **relaxed)  # type: ignore[arg-type]
def test_records_agree(data: st.DataObject) -> None:
    check_records(data)


@pytest.mark.no_cover  # measuring the coverage doubles the time
@given(st.data())
@settings(max_examples=examples(FEW), **relaxed)  # type: ignore[arg-type]
def test_columns_agree(data: st.DataObject) -> None:
    check_columns(data)


@pytest.mark.differential
@given(st.data())
@settings(max_examples=MANY // 2, **relaxed)  # type: ignore[arg-type]
def test_records_agree_at_length(data: st.DataObject) -> None:
    check_records(data)


@pytest.mark.differential
@given(st.data())
@settings(max_examples=MANY // 2, **relaxed)  # type: ignore[arg-type]
def test_columns_agree_at_length(data: st.DataObject) -> None:
    check_columns(data)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int64, np.uint64, bool])
@pytest.mark.parametrize("type_", ["number", "integer", "boolean", "string"])
def test_arrays_agree(dtype: Any, type_: str) -> None:
    column = np.array([0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1], dtype=dtype)
    inputs = Inputs(columns=(InputColumn(name="a"),), named=True)
    rules = {"a": {"type": type_, "max": 1} if type_ != "string" else {"type": type_}}
    pair = (FixedSchema(rules, inputs), FixedSchema(rules, inputs, validator=Uncompiled))
    if dtype is np.float32 and type_ == "number":  # float32 is kept
        X: Any = pair[0].clean(Columns({"a": column}))
        assert X.dtype == np.float32
    else:
        compare(pair, Columns({"a": column}))


def test_dates_agree() -> None:
    inputs = Inputs(columns=(InputColumn(name="a", type="string"),), named=True)
    for type_ in ("date", "datetime"):
        rules = {"a": {"type": type_}}
        pair = (FixedSchema(rules, inputs), FixedSchema(rules, inputs, validator=Uncompiled))
        for value in ("2024-02-29", "2024-02-30", date(2024, 2, 29), datetime(2024, 2, 29), 1):
            compare_records(pair, [{"a": value}], False, 10)


EDGE_VALUES: list[Any] = [
    *(0, 1, 2, -1, 3, 1.0, 2.5, -0.0, nan, inf, -inf, True, False, None, "", " ", "a", "ab", "abc"),
    *("1", "2.5", " 2 ", "nan", "true", "b\n", 2**53, 2**53 + 1, 2**53 + 2, -(2**53) - 1),
    *(2**63 - 1, 2**63, 10**400, 1e308, [], [1], {}),
]
EDGE_RULES: list[dict[str, Any]] = [
    *({"type": type_} for type_ in ("number", "float", "integer", "boolean", "string")),
    *({"type": type_, "nullable": True} for type_ in ("number", "integer", "string", "boolean")),
    *({"type": type_, "default": 1} for type_ in ("number", "integer")),
    {"type": "string", "default": "a"},
    {"type": "number", "min": 1, "max": 2},
    {"type": "number", "min": 1, "max": 2, "nullable": True},
    {"type": "number", "max": 2**53},
    {"type": "number", "min": -(2**53), "max": 2**53 + 1},
    {"type": "integer", "max": 2**53},
    {"type": "integer", "max": 2.5, "min": 0.5},
    {"type": "number", "min": 1, "max": 2, "allowed": [0, 1, 2, 3]},
    {"type": "number", "forbidden": [1], "min": 1},
    {"type": "integer", "allowed": [1, 2], "forbidden": [2]},
    {"allowed": [1, 2.5]},
    {"allowed": ["a", "ab", "1"]},
    {"allowed": [True]},
    {"type": "string", "empty": True, "minlength": 2, "maxlength": 2, "allowed": ["ab", "abc"]},
    {"type": "string", "empty": False, "minlength": 2},
    {"type": "string", "regex": "a.?", "forbidden": ["ab"]},
    {"type": "string", "regex": "[a-z]$"},
    {"type": "number", "coerce": float, "min": 1},
    {"type": "integer", "coerce": int, "max": 2},
    {"type": "string", "coerce": str, "minlength": 2},
    *({"coerce": coercer} for coercer in (int, float, str, bool)),
    {"coerce": float, "min": 1, "max": 2, "nullable": True},
    {"coerce": int, "default": "2", "max": 2},
]


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize(
    "own", cases(EDGE_RULES, quick=[*EDGE_RULES[::9], {"allowed": [1, 2.5]}]), ids=repr
)
@pytest.mark.parametrize("fields", [1, pytest.param(2, marks=pytest.mark.differential)])
def test_edges_agree(own: dict[str, Any], fields: int) -> None:
    names = NAMES[:fields]
    is_text = own.get("type") == "string" or own.get("coerce") is str
    columns = tuple(
        InputColumn(name=name, nullable=True, type="string" if is_text else "number")
        for name in names
    )
    inputs = Inputs(columns=columns, named=True)
    pair = (
        FixedSchema(dict.fromkeys(names, own), inputs),
        FixedSchema(dict.fromkeys(names, own), inputs, validator=Uncompiled),
    )
    compiled, law = pair
    for value in EDGE_VALUES:
        row = dict.fromkeys(names, value)
        for text in (False, True) if isinstance(value, str) else (False,):
            for count in (1, 10):
                expected = outcome(law, Rows([row] * count, text=text))  # in any container
                assert outcome(compiled, Rows([row] * count, text=text)) == expected
                assert outcome(compiled, Rows([[*row.values()]] * count, text=text)) == expected
            by_column = Columns({name: [value] * 10 for name in names}, text=text)
            assert outcome(compiled, by_column) == expected
            compare(pair, Rows([dict.fromkeys(names, 1)] * 10 + [row], text=text))


WIDE_RULES: list[list[dict[str, Any]]] = [
    [{"type": "float"}] * 12,
    [{"type": "number", "nullable": True}] * 12,
    [{"type": "number", "min": 0, "max": 2}] * 12,
    [{"type": "number", "min": -low, "max": 2**53 + low} for low in range(12)],
    [{"type": "float", "required": False, "default": 1.5}] * 12,
    [{"type": "number", "coerce": float}] * 12,
    [*[{"type": "float"}] * 11, {"type": "integer"}],
]


@pytest.mark.no_cover  # measuring the coverage doubles the time
@pytest.mark.parametrize("purge_unknown", [True, False])
@pytest.mark.parametrize("own", WIDE_RULES, ids=lambda own: repr(own[-1]))
def test_rows_of_many_floats_agree(own: list[dict[str, Any]], purge_unknown: bool) -> None:
    names = [f"f{index}" for index in range(12)]
    inputs = Inputs(columns=tuple(InputColumn(name=name) for name in names), named=True)
    rules = dict(zip(names, own, strict=True))
    pair = (
        FixedSchema(rules, inputs, purge_unknown=purge_unknown),
        FixedSchema(rules, inputs, purge_unknown=purge_unknown, validator=Uncompiled),
    )
    plain = dict(zip(names, (0.5, 1.5, 2.0, 0.25, *[1.0] * 8), strict=True))
    others = [plain | {name: value} for name in ("f0", "f5", "f11") for value in EDGE_VALUES]
    without = [{name: 1.0 for name in names if name != left} for left in ("f0", "f11")]
    for row in [plain, {**plain, "other": 1.0}, *without, dict.fromkeys(names, 1e308), *others]:
        compare(pair, Rows([row]))
