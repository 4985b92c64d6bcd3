"""Every explained class: base and contributions add up to the output, and mean what they should."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from flask import Flask

from flask_skmodels import SKModels
from tests.explain.explained import EXPLAINED, LINEAR, MANY, TREES, WIDTH, X, fitted, margins
from tests.support.selection import cases
from tests.support.skips import library

QUICK = {
    *("Ridge-score", "LogisticRegression-two", "LogisticRegression-three", "PLSRegression-scores"),
    *("PoissonRegressor-positive", "MultinomialNB-three", "RandomForestClassifier-three"),
    *("HistGradientBoostingRegressor-score", "VotingRegressor-score"),
}


def explained(name: str, rows: Any) -> tuple[Any, Any, Any]:
    """Return the base, the contributions and the outputs of rows; the outputs come second."""
    app, models = Flask(__name__), SKModels()
    models.init_app(app)
    models.add("model", fitted(name)[0], explain=True)
    prediction = models.predict("model", rows, "explain", app=app)
    assert prediction.layout is not None
    parts = prediction.outputs.reshape(len(rows), prediction.layout.count, WIDTH + 2)
    return parts[:, :, 0], parts[:, :, 1:-1], parts[:, :, -1]


def outputs_of(name: str, rows: Any) -> Any:
    estimator, output = fitted(name)
    outputs = margins(output(estimator, rows))
    is_second = output.__name__ != "linear_predictor" and name.endswith("-two")
    return outputs[:, 1:] if is_second and outputs.shape[1] == 2 else outputs


def test_at_least_forty_classes_are_explained() -> None:
    assert len({type(estimator) for estimator, _, _ in EXPLAINED.values()}) >= 40


@pytest.mark.parametrize("name", cases(EXPLAINED, quick=QUICK))
def test_contributions_add_up_to_the_output_for_10_000_rows(name: str) -> None:
    base, contributions, outputs = explained(name, MANY)
    expected = outputs_of(name, MANY)
    np.testing.assert_allclose(outputs, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(base + contributions.sum(axis=2), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", cases(EXPLAINED, quick={"RandomForestClassifier-three"}))
def test_single_rows_are_explained_as_many_are(name: str) -> None:
    app, models = Flask(__name__), SKModels()
    models.init_app(app)
    models.add("model", fitted(name)[0], explain=True)
    together = models.predict("model", MANY[:20], "explain", app=app).outputs
    singly = [models.predict("model", [row], "explain", app=app).outputs[0] for row in MANY[:20]]
    np.testing.assert_allclose(singly, together, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", cases(LINEAR, quick=QUICK & set(LINEAR)))
def test_a_linear_contribution_is_the_difference_that_a_field_makes(name: str) -> None:
    """Without a profile a field is compared with zero."""
    _, contributions, outputs = explained(name, MANY)
    for field in range(WIDTH):
        without = MANY.copy()
        without[:, field] = 0.0
        difference = outputs - outputs_of(name, without)
        np.testing.assert_allclose(contributions[:, :, field], difference, rtol=1e-7, atol=1e-7)


# shap does not explain that one; test_tree_shap.py compares it with all coalitions.
BY_SHAP = [name for name in TREES if name != "GradientBoostingClassifier-three"]


@pytest.mark.full  # shap takes seconds to import
@pytest.mark.parametrize("name", BY_SHAP)
def test_trees_are_explained_as_by_shap(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the libraries that it imports
        shap = library("shap")
    base, contributions, _ = explained(name, X)
    explainer = shap.TreeExplainer(fitted(name)[0], feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(X, check_additivity=False))
    values = values[:, :, np.newaxis] if values.ndim == 2 else values
    values = values[:, :, 1:] if name.endswith("-two") and values.shape[2] == 2 else values
    expected_base = np.ravel(explainer.expected_value)[-base.shape[1] :]
    np.testing.assert_allclose(base[0], expected_base, rtol=1e-7)
    np.testing.assert_allclose(contributions, np.moveaxis(values, 1, 2), rtol=1e-7, atol=1e-9)


# Estimators around others have no coefficients of their own.
WITHOUT_COEFFICIENTS = {
    *("GridSearchCV-score", "RANSACRegressor-score", "MultiOutputRegressor-scores"),
    *("FrozenEstimator-two", "FixedThresholdClassifier-two", "MultinomialNB-three"),
    *("OneVsRestClassifier-two", "OneVsRestClassifier-three"),
}


@pytest.mark.full
@pytest.mark.parametrize("name", [name for name in LINEAR if name not in WITHOUT_COEFFICIENTS])
def test_linear_models_are_explained_as_by_shap(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shap = library("shap")
    _, contributions, _ = explained(name, X)
    for output, coefficients in enumerate(np.atleast_2d(fitted(name)[0].coef_)):
        explainer = shap.LinearExplainer((coefficients, 0.0), np.zeros((1, WIDTH)))
        values = np.asarray(explainer.shap_values(X)).reshape(len(X), WIDTH)
        np.testing.assert_allclose(contributions[:, output], values, rtol=1e-9, atol=1e-9)
