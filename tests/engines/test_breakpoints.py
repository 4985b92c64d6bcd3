"""The values that probes are drawn from: those at which a fitted estimator changes its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import BernoulliNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, KBinsDiscretizer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels.engines.lean.breakpoints import find_breakpoints
from tests.support.skips import needs_version

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(200, 3)) * [1, 50, 3] + [0, 200, -7]
CLASSES = X[:, 1] > 230  # near where the tree splits the second column

SCALED = ColumnTransformer(
    [("dropped", "drop", [2]), ("scaled", make_pipeline(SimpleImputer(), StandardScaler()), [1])],
    remainder="passthrough",
)
TREE = DecisionTreeClassifier(max_depth=1, random_state=0)


@pytest.mark.parametrize(
    "before",
    [
        (),
        (StandardScaler(),),
        ("passthrough", SimpleImputer()),
        (SelectKBest(k=1),),
        (StandardScaler(), SelectKBest(k=2)),
        (SCALED,),
        (SimpleImputer(), SCALED),
    ],
    ids=str,
)
def test_threshold_of_a_later_step_is_taken_back(before: Any) -> None:
    model = make_pipeline(*before, TREE).fit(X, CLASSES)
    largest_below, smallest_above = X[~CLASSES, 1].max(), X[CLASSES, 1].min()
    threshold = (largest_below + smallest_above) / 2
    found = find_breakpoints(model, 3)
    assert any(value == pytest.approx(threshold, rel=1e-6) for value in found[1])
    assert not any(value == pytest.approx(threshold, rel=1e-6) for value in found[0] + found[2])


@pytest.mark.parametrize("model", [Binarizer(threshold=0.37), BernoulliNB(binarize=0.37)], ids=str)
def test_threshold_of_all_columns(model: Any) -> None:
    assert all(0.37 in values for values in find_breakpoints(model.fit(X, CLASSES), 3))


@needs_version("scikit-learn", "1.7")
def test_edges_of_bins() -> None:
    bins = KBinsDiscretizer(4, encode="ordinal", quantile_method="averaged_inverted_cdf")
    found = find_breakpoints(bins.fit(X), 3)
    for values, edges in zip(found, bins.bin_edges_, strict=True):
        assert set(edges) <= set(values)


def test_step_that_cannot_be_taken_back_loses_its_marks_alone() -> None:
    inside = ColumnTransformer(
        [("binary", Binarizer(threshold=0.2), [0]), ("scaled", StandardScaler(), [1, 2])]
    )
    found = find_breakpoints(make_pipeline(inside, TREE).fit(X, CLASSES), 3)
    assert 0.2 in found[0]
    assert found[1]
