"""X has the values and the dtypes that the estimator was fitted on, whatever the format."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.ipc
import pytest
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeRegressor

from flask_skmodels import InvalidInput, ModelError, Profile, SKModels
from tests.support.skips import library

Records = Sequence[dict[str, Any]]
NULLABLE = {"type": "boolean", "nullable": True}
LENIENT = OneHotEncoder(handle_unknown="ignore")
CSV, ARROW = "text/csv", "application/vnd.apache.arrow.stream"
NAN = float("nan")


def _text(value: Any) -> str:
    return "" if value is None else value.isoformat() if isinstance(value, datetime) else str(value)


def _json(document: Any) -> bytes:
    return json.dumps(document, default=_text).encode()


def _columns(records: Records) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in records[0]}


def _arrow(records: Records) -> bytes:
    sink, table = io.BytesIO(), pa.table({n: pa.array(c) for n, c in _columns(records).items()})
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return sink.getvalue()


def _csv(records: Records) -> bytes:
    lines = [",".join(records[0]), *(",".join(map(_text, r.values())) for r in records)]
    return "\n".join(line or '""' for line in lines).encode()  # readers skip an empty line


def _form(records: Records) -> bytes | None:
    given = {name: _text(value) for name, value in records[0].items()}
    return urlencode(given).encode() if len(records) == 1 else None


Body = Callable[[Records], bytes | None]
BODIES: dict[str, tuple[str, str, Body]] = {
    "objects": ("/m/predict/", "application/json", lambda r: _json(list(r))),
    "arrays": ("/m/predict/", "application/json", lambda r: _json([list(x.values()) for x in r])),
    "columns": ("/m/predict/", "application/json", lambda r: _json({"columns": _columns(r)})),
    "NDJSON": ("/m/predict/", "application/x-ndjson", lambda r: b"\n".join(map(_json, r))),
    "CSV": ("/m/predict/", CSV, _csv),
    "form": ("/m/predict/", "application/x-www-form-urlencoded", _form),
    "Arrow": ("/m/predict/", ARROW, _arrow),
    "KServe": ("/v1/models/m:predict", "application/json", lambda r: _json({"instances": list(r)})),
    "MLflow": ("/invocations", "application/json", lambda r: _json({"dataframe_records": list(r)})),
}


def app_of(estimator: Any, **attributes: Any) -> tuple[Flask, SKModels]:
    models = SKModels()
    models.add("m", estimator, **attributes)
    app = Flask("as_in_fit")
    app.config.update(SKMODELS_DIALECTS=("kserve-v1", "mlflow"), SKMODELS_MLFLOW_MODEL="m")
    models.init_app(app)
    return app, models


def check(estimator: Any, records: Records, frame: Any, **attributes: Any) -> None:
    """Compare the responses to all rows, and to each of them, with the estimator's own output."""
    app, models = app_of(estimator, **attributes)
    parts = [slice(None), *(slice(i, i + 1) for i in range(len(records)))]
    for part in parts:
        rows = records[part]
        expected = np.asarray(estimator.predict(frame[part])).tolist()
        for name, (path, content_type, body) in BODIES.items():
            data = body(rows)
            if data is not None:
                headers = {"Content-Type": content_type, "Accept": "application/json"}
                response = app.test_client().post(path, data=data, headers=headers)
                assert response.status_code == 200, (name, response.text)
                assert response.get_json()["predictions"] == expected, name
        with app.app_context():
            assert models.predict("m", list(rows)).outputs.tolist() == expected


def refused(estimator: Any, records: Records, **attributes: Any) -> list[Any]:
    """Return the row, field and rule of the errors, which must be the same in each format."""
    app, _ = app_of(estimator, **attributes)
    found = []
    for path, content_type, body in BODIES.values():
        if path == "/m/predict/" and (data := body(records)) is not None:
            response = app.test_client().post(path, data=data, content_type=content_type)
            assert response.status_code == 400, response.text
            errors = response.get_json()["errors"]
            found.append([(each["row"], each["field"], each["rule"]) for each in errors])
    assert all(each == found[0] for each in found)
    return found[0]


# Booleans

GAPS: Records = [{"member": None}, {"member": True}, {"member": False}]


def test_a_missing_boolean_is_a_missing_number_to_a_tree() -> None:
    fitted = pd.DataFrame({"member": [1, 0, NAN] * 5})
    tree = DecisionTreeRegressor().fit(fitted, [1, 2, 99] * 5)
    expected = pd.DataFrame({"member": [NAN, 1.0, 0.0]})
    check(tree, GAPS, expected, schema={"member": NULLABLE})
    array = DecisionTreeRegressor().fit(fitted.to_numpy(), [1, 2, 99] * 5)
    check(array, GAPS, expected.to_numpy(), schema={"member": NULLABLE})


OBJECTS = {
    "imputer, one-hot": lambda: make_pipeline(
        SimpleImputer(strategy="most_frequent"), LENIENT, Ridge()
    ),
    "imputer": lambda: make_pipeline(SimpleImputer(strategy="most_frequent"), Ridge()),
    "one-hot": lambda: make_pipeline(LENIENT, Ridge()),
    "ordinal": lambda: make_pipeline(
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
        Ridge(),
    ),
    "target": lambda: make_pipeline(TargetEncoder(cv=2), Ridge()),
}


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("with_what", ["nothing", "schema", "profile"])
def test_booleans_among_objects_keep_their_gap(name: str, with_what: str) -> None:
    fitted = pd.DataFrame({"member": np.array([True, False, NAN] * 6, dtype=object)})
    estimator = OBJECTS[name]().fit(fitted, [1.0, 2.0, 99.0] * 6)
    attributes = {"nothing": {}, "schema": {"schema": {"member": NULLABLE}},
                  "profile": {"profile": fitted}}[with_what]  # fmt: skip
    expected = pd.DataFrame({"member": np.array([NAN, True, False], dtype=object)})
    check(estimator, GAPS, expected, **attributes)


# Integers


@pytest.mark.parametrize("with_what", ["nothing", "number", "integer", "profile"])
def test_integers_that_a_function_makes_texts_of(with_what: str) -> None:
    fitted = pd.DataFrame({"zip": [1010, 5003, 9000] * 6, "a": np.arange(18.0)})
    as_text = make_pipeline(FunctionTransformer(lambda X: X.astype(str)), LENIENT)
    estimator = make_pipeline(
        make_column_transformer((as_text, ["zip"]), remainder="passthrough"), Ridge()
    ).fit(fitted, [1.0, 2.0, 3.0] * 6)
    rows: Records = [{"zip": 1010, "a": 0.5}, {"zip": 9000, "a": 1.5}]
    schema = {"zip": {"type": with_what}, "a": {"type": "number"}}
    attributes: Any = {"nothing": {}, "profile": {"profile": fitted}}.get(
        with_what, {"schema": schema}
    )
    check(estimator, rows, pd.DataFrame(rows), **attributes)


def test_integers_of_an_array_that_a_function_makes_texts_of() -> None:
    fitted = np.array([[1010, 1], [5003, 2], [9000, 3]] * 6)
    as_text = FunctionTransformer(lambda X: X.astype(str))
    estimator = make_pipeline(as_text, LENIENT, Ridge()).fit(fitted, [1.0, 2.0, 3.0] * 6)
    app, _ = app_of(estimator)
    for rows in ([[1010, 1]], [[1010, 1], [9000, 3]], [[5003, 2]] * 12):
        expected = estimator.predict(np.array(rows)).tolist()
        lines = "\n".join(",".join(map(str, row)) for row in rows).encode()
        for body, content_type in ((_json(rows), "application/json"), (lines, CSV)):
            headers = {"Content-Type": content_type, "Accept": "application/json"}
            response = app.test_client().post("/m/predict/", data=body, headers=headers)
            assert response.get_json()["predictions"] == expected


# Categories

TOWNS = ["Voss", "Oslo", "Bergen"]
_RANDOM = np.random.default_rng(0)
FITTED = pd.DataFrame(
    {
        "a": _RANDOM.normal(size=60),
        "town": pd.Categorical(_RANDOM.choice(TOWNS, 60), categories=TOWNS),
        "n": pd.Categorical(_RANDOM.choice([3, 1, 2], 60)),
    }
)
TARGET = (FITTED["a"] + 3 * FITTED["town"].cat.codes).to_numpy()
KNOWN: Records = [
    {"a": 0.5, "town": "Oslo", "n": 3},
    {"a": 0.1, "town": "Bergen", "n": 1},
    {"a": 0.5, "town": "Voss", "n": 2},
]
UNKNOWN: Records = [*KNOWN[:1], {**KNOWN[1], "town": "Paris"}]


def booster(name: str) -> Any:
    if name == "lightgbm":
        return library(name).LGBMRegressor(n_estimators=5, min_child_samples=2, verbose=-1)
    return library(name).XGBRegressor(n_estimators=5, enable_categorical=True)


def as_categories(records: Records, names: Sequence[str] = ("town", "n")) -> pd.DataFrame:
    frame = pd.DataFrame(list(records))
    for name in names:
        known = FITTED[name].cat.categories
        values = [value if value in known else None for value in frame[name]]
        frame[name] = pd.Categorical(values, categories=known)
    return frame


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("has_profile", [True, False])
def test_categories_of_boosters(name: str, has_profile: bool) -> None:
    estimator = booster(name).fit(FITTED, TARGET)
    attributes = {"profile": FITTED} if has_profile else {}
    check(estimator, KNOWN, as_categories(KNOWN), **attributes)
    missing: Records = [{**KNOWN[0], "town": None}]
    check(estimator, missing, as_categories(missing), **attributes)
    if name == "lightgbm":
        check(estimator, UNKNOWN, as_categories(UNKNOWN), **attributes)
    else:
        assert refused(estimator, UNKNOWN, **attributes) == [(1, "town", "allowed")]
        schema = {"a": {}, "town": {"type": "string"}, "n": {"type": "integer"}}
        assert refused(estimator, UNKNOWN, schema=schema, **attributes)[0][:2] == (1, "town")


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("with_what", ["nothing", "schema", "profile"])
def test_a_pipeline_that_makes_the_categories(name: str, with_what: str) -> None:
    def assign(X: Any) -> Any:
        return X.assign(town=pd.Categorical(X["town"], categories=TOWNS))

    fitted = FITTED[["a", "town"]].astype({"town": object})
    estimator = make_pipeline(FunctionTransformer(assign), booster(name)).fit(fitted, TARGET)
    schema = {"a": {"type": "number"}, "town": {"type": "string"}}
    attributes: Any = {"nothing": {}, "profile": {"profile": fitted}}.get(
        with_what, {"schema": schema}
    )
    rows = [{"a": row["a"], "town": row["town"]} for row in KNOWN]
    check(estimator, rows, pd.DataFrame(rows), **attributes)


# Dates and times

DATES = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=20, freq="31h"), "a": range(20)})
TIMES: Records = [
    {"day": datetime(2024, 2, 1), "a": 3},
    {"day": datetime(2024, 3, 1), "a": 4},
]


def day_of_year(X: Any) -> Any:
    return X.assign(day=X["day"].dt.day_of_year)


def seconds(X: Any) -> Any:
    return X.assign(day=(X["day"] - pd.Timestamp("2024-01-01", tz="UTC")).dt.total_seconds())


@pytest.mark.parametrize("kind", ["date", "datetime", "profile"])
def test_dates_and_times_are_times_of_pandas(kind: str) -> None:
    estimator = make_pipeline(FunctionTransformer(day_of_year), Ridge()).fit(DATES, range(20))
    is_date = kind == "date"
    rows = [{**row, "day": row["day"].date() if is_date else row["day"]} for row in TIMES]
    schema = {"day": {"type": kind}, "a": {"type": "integer"}}
    attributes: Any = {"profile": DATES} if kind == "profile" else {"schema": schema}
    expected = pd.DataFrame(list(TIMES))
    check(estimator, rows, expected, **attributes)


def test_a_date_is_a_midnight_and_a_midnight_is_a_date() -> None:
    estimator = make_pipeline(FunctionTransformer(day_of_year), Ridge()).fit(DATES, range(20))
    dates = [{**row, "day": row["day"].date()} for row in TIMES]
    for kind, rows in (("date", TIMES), ("datetime", dates)):
        app, _ = app_of(estimator, schema={"day": {"type": kind}, "a": {"type": "integer"}})
        for count in (len(rows), 1):
            headers = {"Content-Type": ARROW, "Accept": "application/json"}
            body = _arrow(rows[:count])
            response = app.test_client().post("/m/predict/", data=body, headers=headers)
            expected = estimator.predict(pd.DataFrame(list(TIMES[:count])))
            assert response.get_json()["predictions"] == expected.tolist()
    late = [{**row, "day": row["day"].replace(hour=3)} for row in TIMES]
    app, _ = app_of(estimator, schema={"day": {"type": "date"}, "a": {"type": "integer"}})
    response = app.test_client().post("/m/predict/", data=_arrow(late), content_type=ARROW)
    assert response.status_code == 400


def test_a_time_without_a_zone_is_in_that_of_the_profile() -> None:
    fitted = DATES.assign(day=DATES["day"].dt.tz_localize("Europe/Oslo"))
    estimator = make_pipeline(FunctionTransformer(seconds), Ridge()).fit(fitted, range(20))
    expected = pd.DataFrame(list(TIMES)).assign(
        day=lambda frame: frame["day"].dt.tz_localize("Europe/Oslo")
    )
    check(estimator, TIMES, expected, profile=fitted)
    aware = [{**r, "day": pd.Timestamp(t).to_pydatetime()} for r, t in zip(
        TIMES, expected["day"].dt.tz_convert("UTC"), strict=True)]  # fmt: skip
    check(estimator, aware, expected, profile=fitted)


@pytest.mark.parametrize("offset", ["-02:30", "+01:00"])
def test_a_zone_may_be_an_offset(offset: str) -> None:
    fitted = DATES.assign(day=DATES["day"].dt.tz_localize(f"UTC{offset}"))
    estimator = make_pipeline(FunctionTransformer(seconds), Ridge()).fit(fitted, range(20))
    expected = pd.DataFrame(list(TIMES)).assign(
        day=lambda frame: frame["day"].dt.tz_localize(f"UTC{offset}")
    )
    check(estimator, TIMES, expected, profile=fitted)


def test_a_zone_that_is_unknown_here_is_refused(tmp_path: Path) -> None:
    fitted = DATES.assign(day=DATES["day"].dt.tz_localize("Europe/Oslo"))
    estimator = make_pipeline(FunctionTransformer(seconds), Ridge()).fit(fitted, range(20))
    file = tmp_path / "profile.json"
    Profile.of(fitted).save(file)
    file.write_text(file.read_text().replace("Europe/Oslo", "Mars/Olympus"))
    with pytest.raises(ModelError, match=r"the time zone 'Mars/Olympus' of its training data is"):
        app_of(estimator, profile=Profile.load(file))


def test_times_with_and_without_a_zone_are_refused_together() -> None:
    estimator = make_pipeline(FunctionTransformer(day_of_year), Ridge()).fit(DATES, range(20))
    app, models = app_of(estimator, schema={"day": {"type": "datetime"}, "a": {}})
    mixed = [{"day": text, "a": 1} for text in ("2024-01-01T10:00+02:00", "2024-01-01T10:00")]
    for body, content_type in ((_json(mixed), "application/json"), (_csv(mixed), CSV)):
        response = app.test_client().post("/m/predict/", data=body, content_type=content_type)
        assert response.status_code == 400
        (error,) = response.get_json()["errors"]
        assert (error["row"], error["field"], error["rule"]) == (1, "day", "type")
    with app.app_context(), pytest.raises(InvalidInput):
        models.predict("m", mixed)
    offsets = [{"day": f"2024-01-01T12:00+0{hours}:00", "a": 1} for hours in (1, 2)]
    response = app.test_client().post("/m/predict/", json=offsets)
    assert response.status_code == 200


# Frames of polars and extension dtypes


def test_a_frame_of_polars() -> None:
    def ratio(X: pl.DataFrame) -> pl.DataFrame:
        return X.with_columns(ratio=pl.col("a") / pl.col("b"))

    fitted = pl.DataFrame({"a": [1.0, 2.0, 5.0] * 6, "b": [3, 4, 8] * 6})
    estimator = make_pipeline(FunctionTransformer(ratio), LinearRegression())
    estimator.fit(fitted, [1.0, 2.0, 3.0] * 6)
    rows: Records = [{"a": 0.5, "b": 3}, {"a": 1.5, "b": 9}]
    check(estimator, rows, pl.DataFrame(list(rows), schema=fitted.schema), profile=fitted)


@pytest.mark.parametrize("dtype", ["float32", "Float64", "double[pyarrow]", "int8", "Int64"])
def test_dtypes_of_the_profile_reach_the_estimator(dtype: str) -> None:
    seen: list[Any] = []

    def watch(X: Any) -> Any:
        seen.append(list(map(str, X.dtypes)))
        return X

    fitted = pd.DataFrame({"a": [1, 2, 5] * 6, "b": [3, 4, 8] * 6}).astype(dtype)
    estimator = make_pipeline(FunctionTransformer(watch), StandardScaler(), Ridge())
    estimator.fit(fitted, [1.0, 2.0, 3.0] * 6)
    rows: Records = [{"a": 1, "b": 3}, {"a": 2, "b": 9}]
    seen.clear()
    check(estimator, rows, pd.DataFrame(list(rows)).astype(dtype), profile=fitted)
    assert seen
    assert all(dtypes == [dtype, dtype] for dtypes in seen)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "Int8", "int8[pyarrow]"])
def test_narrow_integers_of_the_profile(dtype: str) -> None:
    """The rows on which a model is tried when it is registered have numbers that fit as well."""
    fitted = pd.DataFrame({"a": [1, 2, 5] * 6, "b": [3, 4, 8] * 6}).astype(dtype)
    line = LinearRegression().fit(fitted, [1.0, 2.0, 3.0] * 6)
    rows: Records = [{"a": 1, "b": 3}, {"a": 100, "b": 9}]
    check(line, rows, pd.DataFrame(list(rows)).astype(dtype), profile=fitted)


@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("engine", ["lean", "sklearn"])
def test_products_are_equal_to_the_last_bit_with_a_profile(scaled: bool, engine: str) -> None:
    random = np.random.default_rng(1)
    fitted = pd.DataFrame({f"x{i}": random.normal(size=50) for i in range(15)})
    estimator = make_pipeline(*[StandardScaler()] * scaled, Ridge())
    estimator.fit(fitted, fitted.sum(axis=1))
    app, _ = app_of(estimator, profile=fitted, engine=engine)
    for count in (1, 2, 3, 12, 40):
        records = fitted.iloc[:count].to_dict("records")
        expected = estimator.predict(pd.DataFrame(records)).tolist()
        response = app.test_client().post("/m/predict/", json=records)
        assert response.get_json()["predictions"] == expected


def test_a_dtype_that_no_request_can_contain() -> None:
    fitted = pd.DataFrame({"a": pd.period_range("2024-01", periods=6, freq="M"), "b": range(6)})
    step = FunctionTransformer(lambda X: X[["b"]])
    estimator = make_pipeline(step, Ridge()).fit(fitted, range(6))
    with pytest.raises(ModelError, match="period"):
        app_of(estimator, profile=fitted)


def test_a_field_of_several_types_is_not_held_in_the_dtype_of_the_profile() -> None:
    frame = pd.DataFrame({"code": [1, 2, 3] * 10})
    texts = FunctionTransformer(lambda X: X.astype(str))
    estimator = make_pipeline(texts, LENIENT, Ridge()).fit(frame, [1.0, 2.0, 3.0] * 10)
    schema = {"code": {"type": ["integer", "string"]}}
    app, _ = app_of(estimator, schema=schema, profile=frame)
    rows = [{"code": 2}, {"code": "B"}]
    response = app.test_client().post("/m/predict/", json=rows)
    assert response.get_json()["predictions"] == estimator.predict(pd.DataFrame(rows)).tolist()
