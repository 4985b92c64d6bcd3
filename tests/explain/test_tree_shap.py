"""Path-dependent TreeSHAP against its definition: the mean over all coalitions of columns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from math import factorial
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from flask_skmodels.explain import paths, tree_ensembles
from flask_skmodels.explain.contributions import Contributions, FieldColumns, Unexplained
from flask_skmodels.explain.dispatch import contributions_of
from flask_skmodels.explain.paths import Nodes, no_bitsets, paths_of
from flask_skmodels.explain.single_row import MAX_SPARE, SingleRow
from flask_skmodels.explain.tree_shap import TreeShap
from tests.support.selection import cases, examples

WIDTH = 5
_random = np.random.default_rng(1)
X = _random.normal(size=(80, WIDTH)).astype(np.float32).astype(float)
HOLES = np.where(_random.random(X.shape) < 0.15, np.nan, X)
SCORE = X[:, 0] * X[:, 1] + X[:, 2] + (X[:, 3] > 0)
THREE = np.digitize(SCORE, [-0.5, 1])
COLUMNS = FieldColumns(np.arange(WIDTH), tuple("abcde"))


def expected(tree: Any, values: Any, row: Any, known: set[int], node: int = 0) -> Any:
    """Return the mean output of a tree of scikit-learn if only some columns of a row are known."""
    left, right = tree.children_left[node], tree.children_right[node]
    if left < 0:
        return values[node]
    column = tree.feature[node]
    if column in known:
        value = row[column]
        goes_left = (
            bool(tree.missing_go_to_left[node])
            if np.isnan(value)
            else np.float32(value) <= tree.threshold[node]
        )
        return expected(tree, values, row, known, left if goes_left else right)
    weight = tree.weighted_n_node_samples
    return (
        weight[left] * expected(tree, values, row, known, left)
        + weight[right] * expected(tree, values, row, known, right)
    ) / weight[node]


def by_all_coalitions(tree: Any, values: Any, row: Any, width: int = WIDTH) -> Any:
    """Return the Shapley values of the columns by their definition."""
    result = []
    for column in range(width):
        others, total = [each for each in range(width) if each != column], 0.0
        for size in range(width):
            weight = factorial(size) * factorial(width - size - 1) / factorial(width)
            for coalition in combinations(others, size):
                known = set(coalition)
                total = total + weight * (
                    expected(tree, values, row, known | {column})
                    - expected(tree, values, row, known)
                )
        result.append(total)
    return np.array(result)


def singly(explain: Contributions, rows: Any) -> Any:
    """Return the contributions of rows that are explained one at a time."""
    return np.concatenate([explain(rows[index : index + 1]) for index in range(len(rows))])


def check(trees: list[Any], values: list[Any], estimator: Any, rows: Any) -> None:
    """Compare the contributions of an estimator with those of all coalitions."""
    explain = contributions_of(estimator, COLUMNS)
    contributions = explain(rows)
    np.testing.assert_allclose(singly(explain, rows), contributions, atol=1e-13)
    for row, found in zip(rows, contributions, strict=True):
        by_tree = [by_all_coalitions(t, v, row) for t, v in zip(trees, values, strict=True)]
        np.testing.assert_allclose(found[:, :-1], np.sum(by_tree, axis=0).T, atol=1e-12)


@pytest.mark.parametrize("depth", cases([1, 2, 4, None], quick=[1, 4]))
def test_a_tree(depth: int | None) -> None:
    estimator = DecisionTreeRegressor(max_depth=depth, random_state=0).fit(X, SCORE)
    values = estimator.tree_.value[:, :, 0]
    check([estimator.tree_], [values], estimator, X[: examples(10)])


def test_a_tree_with_missing_values() -> None:
    estimator = DecisionTreeClassifier(max_depth=4, random_state=0).fit(HOLES, THREE)
    check([estimator.tree_], [estimator.tree_.value[:, 0, :]], estimator, HOLES[:20])


def test_a_tree_with_weights() -> None:
    weights = np.where(SCORE > 1, 5.0, 0.25)
    weights[::7] = 0.0
    estimator = DecisionTreeRegressor(max_depth=4).fit(X, SCORE, sample_weight=weights)
    check([estimator.tree_], [estimator.tree_.value[:, :, 0]], estimator, X[:10])


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestRegressor(4, max_depth=4, random_state=0),
        RandomForestClassifier(4, max_depth=4, random_state=0),
        ExtraTreesClassifier(4, max_depth=4, random_state=0, bootstrap=True),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_forest(estimator: Any) -> None:
    is_classifier = hasattr(estimator, "predict_proba")
    estimator.fit(HOLES, THREE if is_classifier else SCORE)
    trees = [each.tree_ for each in estimator.estimators_]
    values = [tree.value[:, 0, :] if is_classifier else tree.value[:, :, 0] for tree in trees]
    check(trees, [each / len(trees) for each in values], estimator, HOLES[:5])


@pytest.mark.parametrize("target", [THREE, THREE > 1], ids=["three classes", "two classes"])
def test_gradient_boosting(target: Any) -> None:
    estimator = GradientBoostingClassifier(n_estimators=3, learning_rate=0.3, max_depth=3)
    estimator.fit(X, target)
    outputs = estimator.estimators_.shape[1]
    trees = [each.tree_ for each in estimator.estimators_.ravel()]
    values = [
        0.3 * tree.value[:, 0, :] * np.eye(outputs)[[index % outputs]]
        for index, tree in enumerate(trees)
    ]
    check(trees, values, estimator, X[:5])


def test_a_tree_that_is_a_leaf() -> None:
    estimator = DecisionTreeRegressor().fit(X, np.full(len(X), 3.0))
    assert contributions_of(estimator, COLUMNS)(X[:2]).tolist() == [[[0.0] * WIDTH + [3.0]]] * 2


@pytest.mark.parametrize("loss", ["squared_error", "poisson", "gamma", "quantile"])
def test_histogram_gradient_boosting_explains_the_raw_prediction(loss: str) -> None:
    quantile = 0.5 if loss == "quantile" else None
    estimator = HistGradientBoostingRegressor(loss=loss, quantile=quantile, max_iter=5)
    estimator.fit(HOLES, np.exp(SCORE / 4))
    contributions = contributions_of(estimator, COLUMNS)
    raw = contributions.select(estimator.predict(HOLES))
    np.testing.assert_allclose(contributions(HOLES).sum(axis=2), raw, rtol=1e-10, atol=1e-10)


def test_histogram_gradient_boosting_of_categories() -> None:
    """The trees see the columns of categories first; a set of categories may be split."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=400), "b": random.integers(0, 30, 400) % 7})
    frame["c"] = pd.Categorical(random.choice(list("stuvwxyz"), 400))
    frame.loc[::9, "c"] = np.nan
    y = frame["a"] * (frame["c"].cat.codes % 3) + (frame["b"] % 2) * 4
    estimator = HistGradientBoostingRegressor(
        max_iter=20, categorical_features=["b", "c"], min_samples_leaf=5
    ).fit(frame, y)
    contributions = contributions_of(estimator, FieldColumns(np.arange(3), ("a", "b", "c")))
    values = contributions(frame)
    np.testing.assert_allclose(values.sum(axis=2)[:, 0], estimator.predict(frame), atol=1e-10)
    # The field that does nothing has no part: the model is fitted again without it.
    without = HistGradientBoostingRegressor(categorical_features=["c"], min_samples_leaf=5)
    without.fit(frame.assign(b=0)[["b", "c"]], frame["c"].cat.codes % 3)
    parts = contributions_of(without, FieldColumns(np.arange(2), ("b", "c")))(frame[["b", "c"]])
    assert not parts[:, 0, 0].any()
    assert parts[:, 0, 1].any()


def test_infinite_values_go_where_the_trees_send_them() -> None:
    rows = np.where(X > 1, np.inf, np.where(X < -1, -np.inf, X))
    estimator = HistGradientBoostingClassifier(max_iter=5).fit(rows, THREE)
    explain = contributions_of(estimator, COLUMNS)
    contributions = explain(rows)
    margins = estimator.decision_function(rows)
    np.testing.assert_allclose(contributions.sum(axis=2), margins, atol=1e-10)
    np.testing.assert_allclose(singly(explain, rows), contributions, atol=1e-13)


def test_losses_of_gradient_boosting() -> None:
    for loss in ("absolute_error", "huber", "quantile"):
        estimator = GradientBoostingRegressor(loss=loss, n_estimators=4).fit(X, SCORE)
        sums = contributions_of(estimator, COLUMNS)(X).sum(axis=2)[:, 0]
        np.testing.assert_allclose(sums, estimator.predict(X), atol=1e-10)


def test_a_deep_tree_of_many_columns_loses_no_digits() -> None:
    """All terms of the sum are positive, so a path with many conditions is as exact as a short."""
    wide = np.random.default_rng(0).normal(size=(300, 60)).astype(np.float32).astype(float)
    target = np.arange(300.0)
    chain = _chain(60)
    shap = TreeShap(paths_of(chain), np.arange(60), 60)
    values = shap(wide[:20])
    outputs = [_walk(chain, row) for row in wide[:20]]
    np.testing.assert_allclose(values[:, 0].sum(axis=1), outputs, rtol=1e-12)
    single = SingleRow(chain, np.arange(60), 60, size=30)
    np.testing.assert_allclose([single(row)[0] for row in wide[:20]], values[:, 0, :-1], rtol=1e-9)
    forest = RandomForestRegressor(3, random_state=0).fit(wide, target)
    columns = FieldColumns(np.arange(60), tuple(map(str, range(60))))
    explain = contributions_of(forest, columns)
    for contributions in (explain(wide[:20]), singly(explain, wide[:20])):
        sums = contributions.sum(axis=2)[:, 0]
        np.testing.assert_allclose(sums, forest.predict(wide[:20]), rtol=1e-12)


def test_single_rows_by_several_threads_at_once() -> None:
    estimator = RandomForestRegressor(20, random_state=0).fit(X, SCORE)
    explain = contributions_of(estimator, COLUMNS)
    expected = explain(X)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda index: explain(X[index : index + 1])[0], range(len(X))))
    np.testing.assert_allclose(found, expected, atol=1e-13)


class _Meeting(np.ndarray[Any, Any]):
    """A row whose explanation waits until others have begun."""

    barrier = Barrier(2 * MAX_SPARE)

    def take(self, *arguments: Any, **options: Any) -> Any:
        self.barrier.wait(timeout=30)
        return super().take(*arguments, **options)


def test_few_work_arrays_are_kept_after_many_threads_at_once() -> None:
    single = SingleRow(_chain(3), np.arange(3), 3, size=4)
    row = np.ones(3).view(_Meeting)
    with ThreadPoolExecutor(row.barrier.parties) as pool:
        list(pool.map(single, [row] * row.barrier.parties))
    assert len(single._spare) == MAX_SPARE


@pytest.mark.parametrize("limit", ["MAX_NUMBERS", "MAX_OUTPUTS", "MAX_LEVELS"])
def test_large_ensembles_do_without_the_tables_for_single_rows(
    monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    estimator = RandomForestRegressor(5, random_state=0).fit(X, SCORE)
    usual = contributions_of(estimator, COLUMNS)
    monkeypatch.setattr(tree_ensembles, limit, 0)
    large: Any = contributions_of(estimator, COLUMNS)
    assert large._single is None
    np.testing.assert_allclose(large(X[:1]), usual(X[:1]), atol=1e-13)


def _chain(length: int) -> Nodes:
    """Return a tree in which each split has a leaf on its right and the next split on its left."""
    count = 2 * length + 1
    splits = np.arange(count) < length
    index = np.arange(count)
    following = np.where(index < length - 1, index + 1, 2 * length)
    return Nodes(
        left=np.where(splits, following, -1),
        right=np.where(splits, length + index, -1),
        column=np.where(splits, index, -2),
        threshold=np.full(count, 1.5),
        missing_left=np.zeros(count, dtype=bool),
        cover=np.where(splits, 2.0 ** (length - index), 2.0 ** (2 * length - 1.0 - index)),
        values=np.arange(count, dtype=float)[:, np.newaxis],
        **no_bitsets(count),
    )


def _walk(nodes: Nodes, row: Any) -> float:
    node = 0
    while nodes.left[node] >= 0:
        is_left = row[nodes.column[node]] <= nodes.threshold[node]
        node = nodes.left[node] if is_left else nodes.right[node]
    return float(nodes.values[node, 0])


def test_trees_with_too_many_conditions_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "MAX_CONDITIONS", 10)
    estimator = DecisionTreeRegressor().fit(X, SCORE)
    with pytest.raises(Unexplained, match="more than 10 conditions"):
        contributions_of(estimator, COLUMNS)
