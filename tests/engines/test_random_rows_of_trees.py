"""Random rows for trees: the lean engine returns what the estimator returns."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)

from flask_skmodels import SKModels
from tests.support.equality import assert_equal, refuse
from tests.support.samples import FRAME, HOLES, LABELS, SCORE, X
from tests.support.selection import cases, examples

NUMBERS = st.one_of(
    st.sampled_from([float(value) for value in np.unique(X)[::9]]),
    st.floats(-1e38, 1e38),
    st.floats(-5, 5, width=32),
)
WITH_MISSING = st.one_of(NUMBERS, st.just(np.nan))
CLASSES = LABELS["three texts"]
ESTIMATORS: dict[str, Any] = {
    "forest": (lambda: RandomForestClassifier(40, random_state=0).fit(HOLES, CLASSES), True),
    "extra trees": (lambda: ExtraTreesRegressor(40, random_state=0).fit(X, SCORE), True),
    "gradient boosting": (
        lambda: GradientBoostingClassifier(n_estimators=20).fit(X, CLASSES),
        False,
    ),
    "histograms": (lambda: HistGradientBoostingClassifier(max_iter=20).fit(HOLES, CLASSES), True),
}


@cache
def served(name: str) -> tuple[Any, SKModels, Flask]:
    estimator = ESTIMATORS[name][0]()
    return estimator, *_serve(estimator)


@cache
def served_categories() -> tuple[Any, SKModels, Flask]:
    texts = ["island", "sex"]
    boosting = HistGradientBoostingClassifier(max_iter=20, categorical_features=texts)
    estimator = boosting.fit(FRAME, (SCORE > 0) ^ (FRAME["island"] == "Dream"))
    return estimator, *_serve(estimator)


def _serve(estimator: Any) -> tuple[SKModels, Flask]:
    methods = ["predict", "predict_proba"] if hasattr(estimator, "classes_") else ["predict"]
    models, app = SKModels(), Flask("random")
    shown = deepcopy(estimator)
    models.add("case", shown, methods=methods)
    models.init_app(app)
    assert (app.test_client().get("/case/").json or {})["engine"]["name"] == "lean"
    for method in methods:
        setattr(shown, method, refuse)
    return models, app


@pytest.mark.parametrize("name", cases(ESTIMATORS, quick=["forest"]))
@given(data=st.data())
@settings(max_examples=examples(60), deadline=None)
def test_numbers(name: str, data: st.DataObject) -> None:
    estimator, models, app = served(name)
    values = WITH_MISSING if ESTIMATORS[name][1] else NUMBERS
    row = st.lists(values, min_size=5, max_size=5)
    rows = np.array(data.draw(st.lists(row, min_size=1, max_size=9)))
    for method in ("predict", "predict_proba"):
        if hasattr(estimator, method):
            outputs = models.predict("case", rows.copy(), method, app=app).outputs
            assert_equal(outputs, getattr(estimator, method)(rows))


ISLANDS = st.one_of(st.sampled_from(["Biscoe", "Dream", "Torgersen"]), st.text(max_size=8))
ROW = st.fixed_dictionaries(
    {
        "island": ISLANDS,
        "mass": WITH_MISSING,
        "sex": st.sampled_from(["f", "m", "F", "", None]),
        "year": st.integers(2000, 2020),
        "bill": WITH_MISSING,
    }
)


@pytest.mark.full
@given(rows=st.lists(ROW, min_size=1, max_size=9))
@settings(max_examples=examples(60), deadline=None)
def test_categories(rows: list[dict[str, Any]]) -> None:
    estimator, models, app = served_categories()
    frame = pd.DataFrame(rows, columns=list(FRAME)).astype({"island": object, "sex": object})
    given_rows = [
        {key: None if value != value else value for key, value in row.items()} for row in rows
    ]
    outputs = models.predict("case", given_rows, "predict_proba", app=app).outputs
    assert_equal(outputs, estimator.predict_proba(frame))
