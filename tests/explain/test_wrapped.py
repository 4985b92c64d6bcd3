"""Estimators inside others, and those with outputs of an unusual kind, explained for a few rows.

``test_exactness.py`` does the same for all estimators and 10,000 rows.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, VotingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import ModelError, SKModels
from tests.explain.explained import SCORE, TARGETS, X, fitted
from tests.explain.test_exactness import explained, outputs_of
from tests.explain.test_folding import explained as explained_output

NAMES = [
    "TransformedTargetRegressor-scores",
    "VotingClassifier-three",
    "BaggingClassifier-three",
    "MultiOutputRegressor-scores",
    "OneVsRestClassifier-three",
    "FrozenEstimator-two",
    "RANSACRegressor-score",
    "GridSearchCV-score",
    "SGDOneClassSVM-none",
    "SVC-two",
    "RidgeClassifier-two",
    "LinearDiscriminantAnalysis-two",
    "GammaRegressor-positive",
]


@pytest.mark.parametrize("name", NAMES)
def test_contributions_add_up_to_the_output(name: str) -> None:
    fitted(name)
    base, contributions, outputs = explained(name, X[:20])
    expected = outputs_of(name, X[:20])
    np.testing.assert_allclose(outputs, expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(base + contributions.sum(axis=2), expected, rtol=1e-9, atol=1e-9)


def test_pipeline_in_a_vote() -> None:
    inner = make_pipeline(StandardScaler(), Ridge())
    vote = VotingRegressor([("scaled", inner), ("plain", Ridge())]).fit(X, SCORE)
    base, contributions, outputs = explained_output(vote, X[:20])
    np.testing.assert_allclose(outputs, vote.predict(X[:20]))
    np.testing.assert_allclose(base + contributions.sum(axis=1), outputs)


def test_naive_bayes_of_two_classes_is_explained_by_the_difference() -> None:
    bayes = MultinomialNB().fit(X, TARGETS["two"])
    base, contributions, outputs = explained_output(bayes, X[:20])
    np.testing.assert_allclose(outputs, np.diff(bayes.predict_joint_log_proba(X[:20]))[:, 0])
    np.testing.assert_allclose(base + contributions.sum(axis=1), outputs)


def test_sparse_coefficients() -> None:
    line = LogisticRegression().fit(X, TARGETS["two"])
    expected = line.decision_function(X[:20])
    base, contributions, outputs = explained_output(line.sparsify(), X[:20])
    np.testing.assert_allclose(outputs, expected)
    np.testing.assert_allclose(base + contributions.sum(axis=1), outputs)


def test_bags_that_lack_classes_are_refused() -> None:
    trees = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    bags = BaggingClassifier(trees, 5, max_samples=3, random_state=1).fit(X, TARGETS["three"])
    with pytest.raises(ModelError, match=r"a part of its BaggingClassifier does not know all cl"):
        SKModels().add("bags", bags, explain=True, engine="sklearn")
