"""The measurement of training data: types, distributions, and what a profile never contains."""

from __future__ import annotations

import json
import tracemalloc
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from flask_skmodels import ModelError, Profile
from flask_skmodels.estimators.profile.column_profile import ColumnProfile
from flask_skmodels.estimators.profile.column_summary import MAX_CATEGORIES
from flask_skmodels.estimators.profile.rounding import round_number, round_time, unit_of
from flask_skmodels.estimators.profile.summaries import MAX_COUNTED, NumberSummary, ValueCounts
from tests.support.skips import library

pd = library("pandas")
pl = library("polars")


def column(values: Any, **options: Any) -> ColumnProfile:
    """Return the profile of the only column of a data frame."""
    return Profile.of(pd.DataFrame({"a": pd.Series(values, **options)})).columns[0]


# Types


@pytest.mark.parametrize(
    ("values", "dtype", "type_", "marker"),
    [
        ([1, 2], "int64", "integer", None),
        ([1, 2], "uint64", "integer", None),
        ([1, 2], "int8", "integer", None),
        ([1.5, None], "float64", "number", "nan"),
        ([1.5, 2], "float32", "number", None),
        ([True, False], "bool", "boolean", None),
        ([True, None], "boolean", "boolean", "na"),
        ([1, None], "Int64", "integer", "na"),
        ([1.5, None], "Float64", "number", "na"),
        ([1, None], "int64[pyarrow]", "integer", "na"),
        ([1.5, None], "double[pyarrow]", "number", "na"),
        ([True, None], "bool[pyarrow]", "boolean", "na"),
        (["a", None], "string", "string", "na"),
        (["a", None], "string[pyarrow]", "string", "na"),
        (["a", None], "object", "string", "none"),
        (["a", np.nan], "object", "string", "nan"),
        (["a", pd.NA], "object", "string", "na"),
        ([True, False, np.nan], "object", "boolean", "nan"),
        ([1, 2, None], "object", "integer", "none"),
        ([1, 2.5], "object", "number", None),
        ([Decimal("1.5")], "object", "number", None),
        ([1, "a"], "object", "any", None),
        ([None, None], "object", "any", "none"),
        ([date(2026, 1, 1)], "object", "date", None),
        ([datetime(2026, 1, 1)], "object", "datetime", None),
        (["2026-01-01", None], "datetime64[ns]", "datetime", "nan"),
        (["a", "b", None], "category", "string", "nan"),
        ([1, 2], "category", "integer", None),
        ([True], "category", "boolean", None),
        ([1.5], "category", "number", None),
        ([pd.Timedelta(1)], "timedelta64[ns]", "any", None),
        ([1 + 2j], "complex128", "any", None),
        ([2**70, 1], "object", "integer", None),
    ],
)
def test_type_dtype_and_missing_marker(
    values: list[Any], dtype: str, type_: str, marker: str | None
) -> None:
    profiled = column(values, dtype=dtype)
    assert (profiled.type, profiled.missing_marker) == (type_, marker)
    assert profiled.dtype == str(pd.Series(values, dtype=dtype).dtype)
    assert profiled.share_missing == pd.Series(values, dtype=dtype).isna().mean()


@pytest.mark.parametrize("zone", ["Europe/Oslo", "UTC"])
def test_times_are_those_of_their_zone(zone: str) -> None:
    times = pd.date_range("2026-03-01", periods=48, freq="h", tz=zone)
    profiled = column(times)
    assert (profiled.zone, profiled.dtype) == (zone, str(times.dtype))
    assert (profiled.min, profiled.max) == ("2026-03-01T00:00:00", "2026-03-02T23:00:00")


def test_categories_keep_their_order() -> None:
    kind = pd.CategoricalDtype(["low", "high", "never"], ordered=True)
    profiled = column(["high", "low", "high", None], dtype=kind)
    assert profiled.categories == ("low", "high", "never")
    assert (profiled.is_ordered, profiled.typical) == (True, "high")


def test_categories_that_are_intervals_are_left_out() -> None:
    profiled = Profile.of(pd.DataFrame({"a": pd.cut([1, 2, 3], 2)})).columns[0]
    assert (profiled.type, profiled.categories) == ("any", None)


def test_polars_frame() -> None:
    X = pl.DataFrame(
        {
            "integer": [1, None],
            "number": [1.5, float("nan")],
            "boolean": [True, None],
            "text": ["a", None],
            "date": [date(2026, 1, 1), None],
            "time": pl.Series([datetime(2026, 1, 1), None]).dt.replace_time_zone("Europe/Oslo"),
            "categories": pl.Series(["b", "a"], dtype=pl.Categorical),
            "fixed": pl.Series(["b", None], dtype=pl.Enum(["b", "a"])),
            "decimal": pl.Series([Decimal("1.5"), None]),
            "list": [[1], None],
        }
    )
    profile = Profile.of(X, X["integer"])
    assert profile.container == "polars"
    assert [c.dtype for c in profile.columns] == [str(dtype) for dtype in X.dtypes]
    kinds = "integer number boolean string date datetime string string number any"
    assert [c.type for c in profile.columns] == kinds.split()
    markers = ["none", "nan", "none", "none", "none", "none", None, "none", "none", "none"]
    assert [c.missing_marker for c in profile.columns] == markers
    assert profile.columns[5].zone == "Europe/Oslo"
    assert profile.columns[6].categories == ("b", "a")
    assert (profile.columns[7].categories, profile.columns[7].is_ordered) == (("b", "a"), True)


@pytest.mark.parametrize(
    ("X", "container", "names", "types"),
    [
        (np.eye(2), "array", ["x0", "x1"], ["number", "number"]),
        (np.eye(2, dtype=int), "array", ["x0", "x1"], ["integer", "integer"]),
        (np.array([["a", 1]], dtype=object), "array", ["x0", "x1"], ["string", "integer"]),
        (np.array([["a"]]), "array", ["x0"], ["string"]),
        (np.array([[True]]), "array", ["x0"], ["boolean"]),
        (np.array([["2026-01-01"]], "datetime64[ns]"), "array", ["x0"], ["datetime"]),
        (sparse.csr_matrix(np.eye(2)), "array", ["x0", "x1"], ["number", "number"]),
        ([["a", 1.5], ["b", None]], "list", ["x0", "x1"], ["string", "number"]),
        (["a text"], "list", ["x0"], ["string"]),
        (pd.Series(["a text"]), "list", ["x0"], ["string"]),
        (np.array(["a text"]), "list", ["x0"], ["string"]),
        ([{"a": 1}, {"b": "x"}], "list", ["a", "b"], ["integer", "string"]),
        (pd.DataFrame(np.eye(2)), "pandas", ["0", "1"], ["number", "number"]),
    ],
)
def test_container_and_names(X: Any, container: str, names: list[str], types: list[str]) -> None:
    profile = Profile.of(X)
    assert profile.container == container
    assert [c.name for c in profile.columns] == names
    assert [c.type for c in profile.columns] == types


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (object(), "not from object"),
        (np.zeros(()), "not from ndarray"),
        (pd.DataFrame(), "no columns"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns named 'a'"),
        (pd.DataFrame([[1]], columns=[1.5]), "not text or an integer"),
        (pd.DataFrame(np.zeros((1, 10_001))), "at most 10000 columns"),
        (sparse.csr_matrix((1, 10_001)), "at most 10000 columns"),
        ([[1.0], [1.0, 2.0]], "differ in length"),
        ([{str(i): 1 for i in range(10_001)}], "at most 10000 columns"),
    ],
)
def test_other_data_are_refused(X: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Profile.of(X)


def test_frame_without_rows_has_its_columns() -> None:
    profile = Profile.of(pd.DataFrame({"a": pd.Series([], dtype="int64"), "b": []}))
    assert (profile.rows, [c.count for c in profile.columns]) == (0, [0, 0])


# Numbers


def test_figures_of_numbers() -> None:
    values = np.random.default_rng(0).lognormal(5, 2, 10_001)
    profiled = column(values)
    assert profiled.mean == pytest.approx(values.mean())
    assert profiled.std == pytest.approx(values.std())
    assert (profiled.min, profiled.max) == (
        round_number(values.min(), "down"),
        round_number(values.max(), "up"),
    )
    assert profiled.typical == round_number(float(np.median(values)), "nearest")
    assert profiled.bins is not None
    assert len(profiled.bins.shares) == 20
    assert sum(profiled.bins.shares) == pytest.approx(1)
    counts, _ = np.histogram(values, np.array(profiled.bins.edges, dtype=float))
    assert counts / len(values) == pytest.approx(profiled.bins.shares, abs=1e-6)


def test_infinite_numbers_are_left_out() -> None:
    profiled = column([1.0, 2.0, np.inf, -np.inf])
    assert (profiled.min, profiled.max, profiled.count) == (1.0, 2.0, 4)


def test_numbers_that_overflow_have_no_mean() -> None:
    profiled = column([1.7e308, -1.7e308] * 20)
    assert profiled.std is None
    assert json.dumps(profiled.to_json(), allow_nan=False)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64))
def test_numbers_are_rounded_outwards_to_three_digits(value: float) -> None:
    low, high = round_number(value, "down"), round_number(value, "up")
    assert low <= value <= high
    assert type(low) is type(high) is type(value)
    if low != value and abs(value) > 1e-300:
        assert abs(float(high) - float(low)) <= abs(float(value)) / 99
        assert len(Decimal(repr(low)).normalize().as_tuple().digits) <= 3


@given(
    st.integers(-(10**16), 10**16),
    st.integers(0, 10**15),
)
def test_times_are_rounded_outwards(low: int, span: int) -> None:
    unit = unit_of(low, low + span)
    start, end = round_time(low, unit, "down"), round_time(low + span, unit, "up")
    assert start <= np.datetime64(low, "us")
    assert end >= np.datetime64(low + span, "us")
    assert (end - start).astype(int) <= 102 or unit == "Y"


@pytest.mark.parametrize("parts", [1, 7, 50])
def test_numbers_may_come_in_parts(parts: int) -> None:
    values = np.random.default_rng(0).normal(10, 3, 20_000)
    whole, split = NumberSummary(), NumberSummary(limit=5000)
    whole.add(values)
    for part in np.array_split(values, parts):
        split.add(part)
    assert split.mean == pytest.approx(whole.mean)
    assert split.std == pytest.approx(whole.std)
    assert (split.min, split.max) == (whole.min, whole.max)
    assert split.describe()["typical"] == pytest.approx(10, abs=0.3)


# Texts


def test_counts_of_many_values_are_lower_bounds() -> None:
    counts = ValueCounts()
    for start in range(0, 5 * MAX_COUNTED, 10_000):
        counts.add_texts([str(start + i) for i in range(10_000)] + ["often"] * 1000)
    described = counts.describe()
    assert described["frequent"].values == ("often",)
    assert described["frequent"].shares[0] == pytest.approx(1 / 11, abs=0.001)


# Privacy


def test_profile_contains_no_value_of_a_single_row() -> None:
    random = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "number": random.normal(50_000, 9_000, 997),
            "integer": random.permutation(997) + 100_001,
            "name": [f"name {i}" for i in range(997)],
            "time": pd.to_datetime(random.integers(1, 1_700_000_000, 997), unit="s"),
        }
    )
    written = json.dumps(Profile.of(X, X.number + 0.5).to_json())
    for name in X:
        is_time = name == "time"
        texts = X[name].dt.strftime("%Y-%m-%dT%H:%M:%S") if is_time else X[name].astype(str)
        assert [text for text in texts if f'"{text}"' in written or f" {text}," in written] == []


@pytest.mark.parametrize(("rows", "is_kept"), [(19, False), (20, True)])
@pytest.mark.parametrize("value", ["Oslo", 7.125, 7, True])
def test_frequent_value_stands_for_at_least_20_rows(value: Any, rows: int, is_kept: bool) -> None:
    frequent = column([value] * rows).frequent
    assert frequent.values == ((value,) if is_kept else ())


def test_at_most_50_values_are_frequent() -> None:
    values = [f"{i % 60}" for i in range(60 * 30)] + ["1"] * 5
    frequent = column(values).frequent
    assert (len(frequent.values), frequent.values[0]) == (50, "1")


def test_rare_text_is_not_typical() -> None:
    assert column(["Oslo"] * 19 + ["Bergen"]).typical is None


def test_long_texts_are_not_kept() -> None:
    profiled = column(["long" * 100] * 30 + ["short"] * 30)
    assert (profiled.frequent.values, profiled.share_other) == (("short",), 0.5)


def test_texts_that_json_cannot_contain_are_not_kept() -> None:
    assert column(["\ud800"] * 30, dtype=object).frequent.values == ()


def test_figures_of_few_values_are_rounded() -> None:
    profiled = column([1234567.0, *[None] * 99])
    assert (profiled.mean, profiled.typical) == (1230000.0, 1230000.0)
    assert (profiled.min, profiled.max) == (1230000.0, 1240000.0)


def test_mean_does_not_reveal_a_value_beside_frequent_ones() -> None:
    profiled = column([0.0] * 199 + [123.456789])
    assert (profiled.mean, profiled.std) == (0.617, 8.71)
    assert column([0.0] * 200).mean == 0.0
    assert column([0.0] * 100 + [1.0001] * 100).mean == pytest.approx(0.50005)


def test_bin_stands_for_at_least_20_values() -> None:
    bins = column(np.arange(70) / 7).bins
    assert bins is not None
    assert min(bins.shares) * 70 >= 20


@pytest.mark.parametrize("count", [30, MAX_CATEGORIES + 1])
def test_categories_that_identify_rows_are_left_out(count: int) -> None:
    names = [f"name {i}" for i in range(count)]
    profiled = column(pd.Categorical(names if count == 30 else ["name 1"] * 50, categories=names))
    assert (profiled.dtype, profiled.categories) == ("category", None)
    assert "name 2" not in json.dumps(profiled.to_json())


# The estimator


X = pd.DataFrame({"a": np.arange(90.0), "b": ["x", "y", "z"] * 30})
LABELS = ["low", "high"] * 45


@pytest.mark.parametrize(
    "wrap",
    [
        lambda e: e,
        lambda e: GridSearchCV(e, {}, cv=2),
        lambda e: make_pipeline("passthrough", e),
        lambda e: make_pipeline(StandardScaler(), e),
    ],
)
def test_baseline_is_the_mean_of_the_last_input(wrap: Any) -> None:
    numbers = X[["a"]].assign(c=1.0)
    estimator = wrap(LogisticRegression()).fit(numbers, LABELS)
    profile = Profile.of(numbers, LABELS, estimator)
    is_scaled = "standardscaler" in str(estimator.get_params())
    assert profile.baseline == pytest.approx((0, 0) if is_scaled else (44.5, 1))
    assert sorted(profile.target[0].frequent.values) == ["high", "low"]
    assert profile.predictions[0].type == "string"


def test_baseline_of_a_sparse_input_and_of_a_transformed_target() -> None:
    inner = make_pipeline(OneHotEncoder(), LinearRegression())
    estimator = TransformedTargetRegressor(inner).fit(X[["b"]], X.a)
    assert Profile.of(X[["b"]], X.a, estimator).baseline == pytest.approx((0.333, 0.333, 0.333))


def test_baseline_of_few_rows_is_left_out() -> None:
    numbers = X[["a"]][:19]
    estimator = LinearRegression().fit(numbers, numbers.a)
    assert Profile.of(numbers, estimator=estimator).baseline is None


def test_baseline_does_not_hold_the_value_of_one_row() -> None:
    numbers = pd.DataFrame({"a": [0.0] * 199 + [123.456789]})
    estimator = LinearRegression().fit(numbers, numbers.a)
    assert Profile.of(numbers, estimator=estimator).baseline == (0.617,)


def test_estimator_that_is_not_linear_has_no_baseline() -> None:
    estimator = RandomForestClassifier(2, random_state=0).fit(X[["a"]], LABELS)
    profile = Profile.of(X[["a"]], LABELS, estimator)
    assert profile.baseline is None
    assert len(profile.predictions) == 1


def test_transformer_has_no_predictions() -> None:
    assert Profile.of(X[["a"]], estimator=StandardScaler().fit(X[["a"]])).predictions == ()


def test_estimator_of_other_data_is_refused() -> None:
    estimator = LinearRegression().fit(X[["a"]], X.a)
    with pytest.raises(ModelError, match="LinearRegression cannot predict the training data"):
        Profile.of(X[["b"]], estimator=estimator)


def test_many_rows_are_predicted_in_part() -> None:
    many = np.arange(250_000.0).reshape(-1, 1)
    estimator = LinearRegression().fit(many[:10], many[:10, 0])
    profile = Profile.of(many, estimator=estimator)
    assert 80_000 <= profile.predictions[0].count <= 100_000
    assert profile.predictions[0].mean == pytest.approx(125_000, rel=0.001)
    assert profile.baseline == pytest.approx((125_000,), rel=0.001)


def test_versions_of_the_libraries_are_kept() -> None:
    versions = Profile.of(X, estimator=None).library_versions
    assert versions["pandas"] == pd.__version__
    assert {"python", "numpy", "scikit-learn"} <= set(versions)


# Memory


def test_frame_is_not_copied() -> None:
    rows = 300_000
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 12))).assign(
        text=["Oslo", "Bergen"] * (rows // 2)
    )
    Profile.of(frame.head(10))
    tracemalloc.start()
    try:
        Profile.of(frame)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 3 * rows * 8
