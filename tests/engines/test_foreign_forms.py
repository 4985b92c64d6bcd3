"""Lean encoders of category_encoders and lean pipelines of imbalanced-learn."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import SKModels
from tests.support.equality import assert_equal
from tests.support.selection import cases
from tests.support.skips import library

pytestmark = pytest.mark.filterwarnings("ignore")  # the libraries warn of their own doing

RANDOM = np.random.default_rng(0)
ROWS = 200
FRAME = pd.DataFrame(
    {
        "town": RANDOM.choice(["Bonn", "Oslo", "Rome"], ROWS),
        "age": RANDOM.normal(40, 10, ROWS),
        "kind": RANDOM.choice(list("abcd"), ROWS),
        "pay": RANDOM.normal(size=ROWS),
    }
)
FRAME.loc[::9, "kind"] = None
LABELS = (FRAME["age"] > 40).astype(int)
SCHEMA: dict[str, Any] = {
    "town": {"type": "string"},
    "age": {},
    "kind": {"type": "string", "nullable": True},
    "pay": {},
}
UNKNOWN = pd.concat(
    [pd.DataFrame([{"town": "Nice", "age": 30.0, "kind": "z", "pay": 0.5}]), FRAME],
    ignore_index=True,
)
ENCODERS = (
    *("BackwardDifferenceEncoder", "BaseNEncoder", "BinaryEncoder", "CatBoostEncoder"),
    *("CountEncoder", "GLMMEncoder", "GrayEncoder", "HelmertEncoder", "JamesSteinEncoder"),
    *("LeaveOneOutEncoder", "MEstimateEncoder", "OneHotEncoder", "OrdinalEncoder"),
    *("PolynomialEncoder", "QuantileEncoder", "RankHotEncoder", "SumEncoder", "TargetEncoder"),
    "WOEEncoder",
)


def encoder(name: str, **options: Any) -> Any:
    return getattr(library("category_encoders"), name)(cols=["town", "kind"], **options)


def encoded(step: Any) -> Any:
    return make_pipeline(step, SimpleImputer(), LogisticRegression()).fit(FRAME, LABELS)


def served(estimator: Any, method: str, **options: Any) -> tuple[SKModels, Flask]:
    models, app = SKModels(), Flask("foreign")
    models.add("case", estimator, methods=[method], **options)
    models.init_app(app)
    return models, app


def engine_of(app: Flask) -> Any:
    return (app.test_client().get("/case/").json or {})["engine"]


def check_rows(estimator: Any, rows: Any, **options: Any) -> None:
    """Compare one row, several and all rows, without the native method to fall back to."""
    expected = [estimator.predict_proba(rows[:count]) for count in (1, 2, 7, len(rows))]
    models, app = served(estimator, "predict_proba", **options)
    assert engine_of(app) == {"name": "lean", "reason": None}
    estimator.predict_proba = None
    for outputs in expected:
        assert_equal(models.predict("case", rows[: len(outputs)], app=app).outputs, outputs)


@pytest.mark.parametrize("profiled", [True, False])
@pytest.mark.parametrize("name", cases(ENCODERS, quick=["TargetEncoder", "BinaryEncoder"]))
def test_result_is_that_of_the_encoder(name: str, profiled: bool) -> None:
    options = {"profile": FRAME} if profiled else {"schema": SCHEMA}
    check_rows(encoded(encoder(name)), UNKNOWN, **options)


def test_refused_category_is_left_to_the_encoder() -> None:
    estimator = encoded(encoder("OrdinalEncoder", handle_unknown="error"))
    models, app = served(estimator, "predict_proba", schema=SCHEMA)
    assert_equal(
        models.predict("case", FRAME[:9], app=app).outputs, estimator.predict_proba(FRAME[:9])
    )
    row = UNKNOWN[:1].to_dict("records")
    assert app.test_client().post("/case/predict_proba/", json=row).status_code in (400, 422)


def test_data_frame_of_an_encoder_is_its_own() -> None:
    for name, engine in (("TargetEncoder", "lean"), ("OrdinalEncoder", "sklearn")):
        estimator = encoder(name).fit(FRAME, LABELS)
        models, app = served(estimator, "transform", schema=SCHEMA)
        assert engine_of(app)["name"] == engine
        outputs = models.predict("case", UNKNOWN[:5], app=app).outputs
        pd.testing.assert_frame_equal(outputs, estimator.transform(UNKNOWN[:5]))


def test_encoder_inside_a_column_transformer() -> None:
    columns = ColumnTransformer(
        [
            ("kinds", library("category_encoders").TargetEncoder(), ["town", "kind"]),
            ("numbers", StandardScaler(), ["age", "pay"]),
        ]
    )
    check_rows(
        make_pipeline(columns, LogisticRegression()).fit(FRAME, LABELS), FRAME, schema=SCHEMA
    )


def swapped(right: Any) -> Any:
    return lambda frame, outputs: right(frame, outputs)[::-1]


def test_corrupt_table_is_not_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    estimator = encoded(encoder("TargetEncoder"))
    from flask_skmodels.engines.lean.forms import category_encoders

    monkeypatch.setattr(category_encoders, "_numbers", swapped(category_encoders._numbers))
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app = served(estimator, "predict_proba", schema=SCHEMA)
    engine = engine_of(app)
    assert engine["name"] == "sklearn"
    assert "the lean form differs" in engine["reason"]
    expected = estimator.predict_proba(FRAME[:5])
    assert_equal(models.predict("case", FRAME[:5], app=app).outputs, expected)


def test_samplers_do_nothing_in_a_pipeline() -> None:
    numbers = FRAME[["age", "pay"]].to_numpy().copy(order="C")
    steps = StandardScaler(), library("imblearn.over_sampling").SMOTE(random_state=0)
    pipeline = library("imblearn.pipeline").make_pipeline(*steps, LogisticRegression())
    check_rows(pipeline.fit(numbers, LABELS), numbers)
