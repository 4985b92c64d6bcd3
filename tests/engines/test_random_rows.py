"""Random rows: the lean engine and the estimator return the same, or both raise."""

from __future__ import annotations

import threading
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    StandardScaler,
)

from flask_skmodels import InvalidInput, SKModels
from tests.support.equality import assert_equal
from tests.support.selection import cases, examples

RANDOM = np.random.default_rng(0)
ROWS = 200
CITIES = ["Bonn", "Rome", "Oslo", "Lima", ""]
FRAME = pd.DataFrame(
    {
        "age": RANDOM.normal(40, 10, ROWS),
        "city": RANDOM.choice(CITIES, ROWS),
        "visits": RANDOM.integers(0, 9, ROWS),
        "income": RANDOM.lognormal(10, 1, ROWS),
    }
).astype({"city": object})
FRAME.loc[::7, "age"] = np.nan
FRAME.loc[::11, "city"] = np.nan
TARGET = RANDOM.normal(size=ROWS)
CLASSES = np.where(TARGET > 0, "high", "low")


def mixed(words: Any, numbers: Any, last: Any, target: Any, **options: Any) -> Any:
    columns = ColumnTransformer(
        [("words", words, ["city"]), ("numbers", numbers, ["age", "visits", "income"])], **options
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(columns, last).fit(FRAME, target)


ONE_HOT = OneHotEncoder(handle_unknown="ignore")
CODES = OrdinalEncoder(
    handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
)
SCALED = make_pipeline(SimpleImputer(), StandardScaler())
PIPELINES = {
    "ridge": mixed(ONE_HOT, SCALED, Ridge(), TARGET),
    "sparse": mixed(ONE_HOT, SimpleImputer(), Ridge(), TARGET, sparse_threshold=1.0),
    "logistic": mixed(ONE_HOT, SCALED, LogisticRegression(max_iter=500), CLASSES),
    "bins": mixed(CODES, make_pipeline(SimpleImputer(), KBinsDiscretizer(4)), Ridge(), TARGET),
    "quantiles": mixed(
        CODES,
        make_pipeline(QuantileTransformer(n_quantiles=20), SimpleImputer(add_indicator=True)),
        LogisticRegression(),
        CLASSES,
    ),
    "powers": mixed(ONE_HOT, make_pipeline(SCALED, PolynomialFeatures(3), PCA(4)), Ridge(), TARGET),
    "network": mixed(ONE_HOT, SCALED, MLPClassifier((6, 5), max_iter=50), CLASSES),
}


@pytest.fixture(scope="module")
def served() -> tuple[SKModels, Flask]:
    models, app = SKModels(), Flask("random")
    for name, pipeline in PIPELINES.items():
        models.add(name, pipeline, probability=hasattr(pipeline, "predict_proba"))
    models.init_app(app)
    client = app.test_client()
    for name in PIPELINES:
        description = client.get(f"/{name}/").json or {}
        assert description["engine"] == {"name": "lean", "reason": None}
    return models, app


NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e4, 1e4),
    st.sampled_from([0.0, -0.0, 40.0, 1e308, -1e308, 5e-324]),
)
ROW = st.fixed_dictionaries(
    {
        "age": st.one_of(st.none(), NUMBERS),
        "city": st.one_of(st.none(), st.sampled_from(CITIES), st.text(max_size=5)),
        "visits": st.integers(-(2**60), 2**60) | st.integers(0, 9),
        "income": NUMBERS,
    }
)


@pytest.mark.parametrize("name", cases(PIPELINES, quick=["ridge", "sparse"]))
@settings(
    max_examples=examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(ROW, min_size=1, max_size=5))
def test_random_rows(served: tuple[SKModels, Flask], name: str, rows: list[dict[str, Any]]) -> None:
    models, app = served
    pipeline = PIPELINES[name]
    for method in ("predict", "predict_proba"):
        if not hasattr(pipeline, method):
            continue
        try:
            prediction = models.predict(name, rows, method, app=app)
        except InvalidInput:
            continue
        except ValueError:  # the estimator's own: a number has overflowed on the way
            continue
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            assert_equal(prediction.outputs, getattr(pipeline, method)(prediction.inputs))


@pytest.mark.parametrize("name", cases(PIPELINES, quick=["ridge", "sparse"]))
def test_threads_at_once(served: tuple[SKModels, Flask], name: str) -> None:
    models, app = served
    rows = FRAME.astype(object).where(FRAME.notna(), None).to_dict("records")[:24]
    expected = [models.predict(name, [row], app=app).outputs[0] for row in rows]
    wrong: list[int] = []

    def ask(start: int) -> None:
        for turn in range(examples(60)):
            place = (start + turn) % len(rows)
            if models.predict(name, [rows[place]], app=app).outputs[0] != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("name", cases(PIPELINES, quick=["ridge", "sparse"]))
def test_nothing_is_written_into_what_was_given(served: tuple[SKModels, Flask], name: str) -> None:
    models, app = served
    for count in (1, 20):
        prediction = models.predict(name, FRAME[:count], app=app)
        pd.testing.assert_frame_equal(prediction.inputs, FRAME[:count], check_dtype=False)
        again = models.predict(name, FRAME[:count], app=app)
        assert_equal(again.outputs, prediction.outputs)
