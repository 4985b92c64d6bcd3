"""X in the dtypes of the training data: booleans, integers, times, categories and layouts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from flask_skmodels import InvalidInput, Rows
from flask_skmodels.models import rules_from
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.rows import Columns, from_python
from flask_skmodels.schema.schema import FixedSchema
from flask_skmodels.schema.tabular import Tabular, concatenate, layout_of, to_sklearn


def schema_of(*columns: InputColumn, container: str = "frame", **rules: Any) -> FixedSchema:
    """Return the schema of a profiled frame; ``rules`` replace those of the columns."""
    inputs = Inputs(columns=columns, named=True, container=container, is_profiled=True)
    return FixedSchema({**(rules_from(inputs) or {}), **rules}, inputs)


def built(schema: FixedSchema, *values: Any, text: bool = False) -> Any:
    """Return the frame of rows with one field ``x``, which must not depend on how they came."""
    rows = [{"x": value} for value in values]
    X = to_sklearn(schema.clean(Rows(rows, text=text)))
    columns = to_sklearn(schema.clean(Columns({"x": list(values)}, text=text)))
    assert X.equals(columns)
    assert list(map(str, X.dtypes)) == list(map(str, columns.dtypes))
    return X


def column(dtype: str, kind: str, **options: Any) -> InputColumn:
    return InputColumn(name="x", type=kind, dtype=dtype, **options)


NUMBERS = ["float64", "float32", "float16", "Float64", "Float32", "double[pyarrow]",
           "float[pyarrow]"]  # fmt: skip
INTEGERS = ["int64", "int32", "int16", "int8", "uint8", "uint64", "Int64", "Int8", "UInt16",
            "int64[pyarrow]", "int8[pyarrow]"]  # fmt: skip
BOOLEANS = ["bool", "boolean", "bool[pyarrow]", "object"]
TEXTS = ["object", "str", "string", "string[pyarrow]", "large_string[pyarrow]"]


@pytest.mark.parametrize("dtype", NUMBERS)
def test_numbers_have_the_dtype_of_the_profile(dtype: str) -> None:
    schema = schema_of(column(dtype, "number", nullable=True))
    for rows in ([1.5, 2, None], [1.5], [None], [2, 3] * 6):
        expected = pd.DataFrame({"x": pd.array(rows, dtype=dtype)})
        X = built(schema, *rows)
        pd.testing.assert_frame_equal(X, expected)
    texts = built(schema, "1.5", "", "2", text=True)
    pd.testing.assert_frame_equal(texts, pd.DataFrame({"x": pd.array([1.5, None, 2], dtype=dtype)}))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_have_the_dtype_of_the_profile(dtype: str) -> None:
    for schema in (
        schema_of(column(dtype, "integer")),
        schema_of(column(dtype, "number", nullable=True), x={"type": "number", "nullable": True}),
    ):
        for rows in ([1, 2, 3], [1], [7] * 12):
            expected = pd.DataFrame({"x": pd.array(rows, dtype=dtype)})
            pd.testing.assert_frame_equal(built(schema, *rows), expected)
        texts = built(schema, "1", "2", text=True)
        pd.testing.assert_frame_equal(texts, pd.DataFrame({"x": pd.array([1, 2], dtype=dtype)}))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_with_a_missing_one(dtype: str) -> None:
    schema = schema_of(column(dtype, "integer", nullable=True))
    is_of_numpy = isinstance(pd.api.types.pandas_dtype(dtype), np.dtype)
    expected = pd.array([1, None], dtype="float64" if is_of_numpy else dtype)
    pd.testing.assert_frame_equal(built(schema, 1, None), pd.DataFrame({"x": expected}))


@pytest.mark.parametrize("dtype", ["int64", "int8", "Int64", "int64[pyarrow]"])
def test_a_number_that_is_no_integer_stays_one(dtype: str) -> None:
    schema = schema_of(column(dtype, "integer"), x={"type": "number"})
    assert built(schema, 1, 2.5)["x"].tolist() == [1.0, 2.5]


@pytest.mark.parametrize(("dtype", "wrong"), [("int8", 4711), ("uint8", -815), ("UInt16", 90_210)])
def test_an_integer_out_of_the_range_of_the_dtype(dtype: str, wrong: int) -> None:
    schema = schema_of(column(dtype, "integer", nullable=True))
    for rows in (Rows([{"x": wrong}]), Rows([{"x": 1}, {"x": wrong}]), Columns({"x": [1, wrong]})):
        with pytest.raises(InvalidInput) as caught:
            schema.clean(rows)
        (error,) = caught.value.errors
        assert (error.row, error.field, error.rule) == (len(rows) - 1, "x", "type")
        assert str(wrong) not in error.message


@pytest.mark.parametrize("dtype", BOOLEANS)
def test_booleans_have_the_dtype_of_the_profile(dtype: str) -> None:
    schema = schema_of(column(dtype, "boolean", nullable=True))
    for rows in ([True, False], [True], [False] * 12, [True, None]):
        given = "object" if None in rows and dtype == "bool" else dtype
        values: Any = [np.nan if v is None else v for v in rows] if given == "object" else rows
        expected = pd.DataFrame({"x": pd.array(values, dtype=given)})
        pd.testing.assert_frame_equal(built(schema, *rows), expected)


@pytest.mark.parametrize("dtype", TEXTS)
def test_texts_have_the_dtype_of_the_profile(dtype: str) -> None:
    schema = schema_of(column(dtype, "string", nullable=True))
    for rows in (["a", "b"], ["a"], ["b", None], [None]):
        values = [np.nan if v is None else v for v in rows] if dtype == "object" else rows
        is_of_arrow = dtype == "string[pyarrow]"
        array = _arrow_texts(rows) if is_of_arrow else pd.Series(values, dtype=dtype)
        expected = pd.DataFrame({"x": array})
        pd.testing.assert_frame_equal(built(schema, *rows), expected)


def _arrow_texts(rows: Any) -> Any:
    import pyarrow as pa

    return pd.array(rows, dtype=pd.ArrowDtype(pa.string()))


@pytest.mark.parametrize("marker", [None, np.nan, pd.NA])
def test_a_gap_among_objects_is_written_as_in_the_profile(marker: Any) -> None:
    schema = schema_of(column("object", "string", nullable=True, missing=marker))
    assert built(schema, "a", None)["x"].tolist()[1] is marker


@pytest.mark.parametrize("is_ordered", [True, False])
def test_categories(is_ordered: bool) -> None:
    categories = ("Voss", "Oslo", "Bergen")
    schema = schema_of(
        column("category", "string", nullable=True, categories=categories, is_ordered=is_ordered)
    )
    for rows in (["Oslo", None, "Paris"], ["Oslo"], ["Voss"] * 12):
        expected = pd.Categorical(
            [value if value in categories else None for value in rows],
            categories=list(categories),
            ordered=is_ordered,
        )
        pd.testing.assert_frame_equal(built(schema, *rows), pd.DataFrame({"x": expected}))


def test_categories_of_numbers_and_booleans() -> None:
    integers = schema_of(column("category", "integer", categories=(3, 1)))
    assert built(integers, 1, 3)["x"].cat.codes.tolist() == [1, 0]
    assert built(integers, "1", "3", text=True)["x"].cat.codes.tolist() == [1, 0]
    floats = schema_of(column("category", "number", categories=(0.5, 1.0)))
    assert built(floats, 1, 0.5, 0.25)["x"].cat.codes.tolist() == [1, 0, -1]
    booleans = schema_of(column("category", "boolean", categories=(False, True)))
    assert built(booleans, True, False)["x"].cat.codes.tolist() == [1, 0]


NAIVE = datetime(2024, 7, 1, 12, 30)
AWARE = datetime(2024, 7, 1, 10, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "dtype",
    ["datetime64[ns]", "datetime64[us]", "datetime64[s]", "timestamp[ns][pyarrow]",
     "timestamp[us][pyarrow]"],
)  # fmt: skip
def test_times_without_a_zone(dtype: str) -> None:
    schema = schema_of(column(dtype, "datetime", nullable=True))
    for rows in ([NAIVE, None], [NAIVE], [None]):
        X = built(schema, *rows)
        expected = pd.DataFrame({"x": pd.array(rows, dtype=dtype)})
        pd.testing.assert_frame_equal(X, expected)
    assert built(schema, "2024-07-01T12:30:00", text=True).equals(built(schema, NAIVE))
    with pytest.raises(InvalidInput) as caught:
        schema.clean(Rows([{"x": NAIVE}, {"x": AWARE}]))
    assert [error.row for error in caught.value.errors] == [1]


@pytest.mark.parametrize(
    "dtype",
    ["datetime64[ns, Europe/Oslo]", "datetime64[us, Europe/Oslo]",
     "timestamp[us, tz=Europe/Oslo][pyarrow]"],
)  # fmt: skip
def test_times_in_a_zone(dtype: str) -> None:
    schema = schema_of(column(dtype, "datetime", nullable=True))
    expected = pd.DataFrame({"x": pd.array([pd.Timestamp(AWARE), None], dtype=dtype)})
    for value in (AWARE, NAIVE, "2024-07-01T11:30:00+01:00"):
        pd.testing.assert_frame_equal(built(schema, value, None, text=False), expected)
    assert built(schema, None)["x"].dtype == dtype
    # The first of the two, where clocks are put back.
    twice = built(schema, datetime(2024, 10, 27, 2, 30))["x"][0]
    assert twice.tz_convert("UTC") == pd.Timestamp("2024-10-27T00:30", tz="UTC")
    with pytest.raises(InvalidInput) as caught:
        schema.clean(Rows([{"x": AWARE}, {"x": None}, {"x": NAIVE}]))
    assert [error.row for error in caught.value.errors] == [2]


def test_times_of_an_unknown_column() -> None:
    inputs = Inputs(columns=(InputColumn(name="x", nullable=True),), named=True, container="frame")
    schema = FixedSchema({"x": {"type": ["date", "datetime"], "nullable": True}}, inputs)
    assert built(schema, NAIVE, None)["x"].dtype == pd.DataFrame({"x": [NAIVE]})["x"].dtype
    offsets = built(schema, "2024-07-01T12:00:00+02:00", "2024-07-01T10:00:00+00:00", text=True)
    assert offsets["x"].tolist() == [pd.Timestamp("2024-07-01T10:00", tz="UTC")] * 2
    day = FixedSchema({"x": {"type": "date", "nullable": True}}, inputs)
    assert built(day, date(2024, 7, 1), None)["x"].dt.day.tolist()[0] == 1
    with pytest.raises(InvalidInput) as caught:
        schema.clean(Columns({"x": [NAIVE, AWARE, NAIVE]}))
    assert [(error.row, error.field) for error in caught.value.errors] == [(1, "x")]


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "datetime64[ns, UTC]"])
def test_a_time_out_of_range(dtype: str) -> None:
    schema = schema_of(column(dtype, "datetime"))
    for year in (1, 1600, 9999):
        with pytest.raises(InvalidInput):
            schema.clean(Rows([{"x": datetime(year, 1, 1)}]))


@pytest.mark.parametrize(
    ("dtype", "kind", "rows"),
    [
        ("Int64", "integer", [1, None]),
        ("Int8", "integer", [1, 2]),
        ("Float64", "number", [1.5, None]),
        ("Float32", "number", [1, 2.5]),
        ("Boolean", "boolean", [True, None]),
        ("String", "string", ["a", None]),
        ("Datetime(time_unit='us', time_zone=None)", "datetime", [NAIVE, None]),
        ("Datetime(time_unit='ns', time_zone='Europe/Oslo')", "datetime", [AWARE, None]),
        ("Datetime(time_unit='ms', time_zone='Europe/Oslo')", "datetime", [AWARE]),
        ("Date", "date", [date(2024, 7, 1), None]),
    ],
)
def test_polars(dtype: str, kind: str, rows: list[Any]) -> None:
    schema = schema_of(column(dtype, kind, nullable=True), container="polars")
    X = built(schema, *rows)
    assert isinstance(X, pl.DataFrame)
    assert str(X.schema["x"]) == dtype
    assert X["x"].to_list() == pl.Series(rows, dtype=X.schema["x"]).to_list()


def test_categories_of_polars() -> None:
    for dtype in ("Categorical", "Enum(categories=['b', 'a'])"):
        schema = schema_of(
            column(dtype, "string", nullable=True, categories=("b", "a")), container="polars"
        )
        assert built(schema, "a", "x", None)["x"].to_list() == ["a", None, None]
        assert str(built(schema, "a").schema["x"]) == dtype


def mixed_schema() -> FixedSchema:
    return schema_of(
        InputColumn(name="a", dtype="float64"),
        InputColumn(name="i", type="integer", dtype="int64"),
        InputColumn(name="b", dtype="float64"),
        InputColumn(name="t", type="string", dtype="object"),
        InputColumn(name="j", type="integer", dtype="int64"),
    )


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_layout_is_that_of_a_frame_of_records(count: int) -> None:
    mixed = [{"a": 0.5 * i, "i": i, "b": 2.5, "t": "x", "j": 3} for i in range(count)]
    floats = [{name: 0.1 * i + j for j, name in enumerate("abcdefgh")} for i in range(count)]
    profiled = [InputColumn(name=name, dtype="float64") for name in "abcdefgh"]
    for schema, rows in ((mixed_schema(), mixed), (schema_of(*profiled), floats)):
        X = schema.clean(Rows(rows))
        frame, expected = to_sklearn(X), pd.DataFrame(rows)
        for names in (["a", "b"], ["b", "a"]):
            found, wanted = frame[names].to_numpy(), expected[names].to_numpy()
            assert found.strides == wanted.strides
            assert np.array_equal(found, wanted)
    whole = schema.clean(Rows(floats))
    assert isinstance(whole, Tabular)
    for array in (to_sklearn(whole).to_numpy(), whole.to_float64()):
        assert array.strides == pd.DataFrame(floats).to_numpy().strides


def test_arrays_in_the_dtype_of_the_profile() -> None:
    def array(dtype: str, kind: str, rows: Any) -> Any:
        x = InputColumn(name="x", type=kind, dtype=dtype, nullable=kind == "any")
        columns = tuple(replace(x, name=f"x{index}") for index in range(2))
        inputs = Inputs(columns=columns, container="array", is_profiled=True)
        schema = FixedSchema(rules_from(inputs) or {}, inputs, unnamed=True)
        single: Any = schema.clean(Rows([list(rows[0])]))
        X: Any = schema.clean(from_python(rows))
        assert X.dtype == single.dtype
        return X

    assert array("float32", "number", [[1.5, 2], [3, 4]]).dtype == np.float32
    assert array("float64", "number", np.ones((3, 2), dtype=np.float32)).dtype == np.float64
    assert array("int64", "integer", [[1, 2], [3, 4]]).dtype == np.int64
    assert array("int8", "integer", [[1, 2], [3, 4]]).dtype == np.int8
    assert array("bool", "boolean", [[True, False]]).dtype == np.bool_
    assert array("object", "any", [[True, "a"], [1, "b"]]).dtype == object


def test_combined_frames_never_mix_dtypes() -> None:
    schema = schema_of(column("int64", "integer"), x={"type": "number"})
    integers, floats = (schema.clean(Rows([{"x": value}])) for value in (1010, 0.5))
    assert layout_of(integers) != layout_of(floats)
    assert layout_of(integers) == layout_of(schema.clean(Rows([{"x": 7}])))
    both = concatenate([integers, schema.clean(Rows([{"x": 7}] * 12))])
    assert to_sklearn(both)["x"].dtype == np.int64
