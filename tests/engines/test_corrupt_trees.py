"""A wrong lean form of trees is detected at load, and the native method serves."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingRegressor,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import RegressorChain
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from flask_skmodels import SKModels
from flask_skmodels.engines.lean import compiler, joined_trees
from flask_skmodels.engines.lean.forms import multioutput, tree
from flask_skmodels.engines.lean.forms.ensemble import (
    ada_boost,
    gradient_boosting,
    hist_gradient_boosting,
    stacking,
    voting,
)
from tests.support.equality import assert_equal
from tests.support.samples import FRAME, HOLES, LABELS, SCORE, X
from tests.support.selection import cases

STEPS = X.round() / 2  # so that thresholds are numbers that single precision holds
HALVES = np.where(np.isnan(HOLES), np.nan, STEPS)


def other_nodes(change: Any) -> Any:
    def corrupt(right: Any) -> Any:
        def joined(parts: Any, inner: Any, width: int, layout: Any) -> Any:
            return right([change(part.copy(), layout) for part in parts], inner, width, layout)

        return joined

    return corrupt


def less_for_less_or_equal(nodes: Any, layout: Any) -> Any:
    nodes[layout.threshold] = np.nextafter(nodes[layout.threshold], -np.inf)
    return nodes


def missing_the_other_way(nodes: Any, layout: Any) -> Any:
    nodes["missing_go_to_left"] ^= 1
    return nodes


def children_swapped_at_the_root(nodes: Any, layout: Any) -> Any:
    if len(nodes) > 1:
        left, right = int(nodes[0][layout.left]), int(nodes[0][layout.right])
        nodes[layout.left][0], nodes[layout.right][0] = right, left
    return nodes


def last_tree_first(right: Any) -> Any:
    return lambda nodes, roots, width, layout: right(nodes, roots[-1:] + roots[:-1], width, layout)


def one_tree_twice(right: Any) -> Any:
    return lambda nodes, roots, width, layout: right(nodes, roots[:1] + roots[:-1], width, layout)


def backwards(right: Any) -> Any:
    return lambda values, first=0.0: right(values[::-1].copy(), first)


def in_pairs(right: Any) -> Any:
    return lambda values, first=0.0: np.ascontiguousarray((values + 0.0).T).sum(-1).T + first


def rounded_up(right: Any) -> Any:
    def float32_converter(allow_nan: bool) -> Any:
        return lambda X: np.nextafter(right(allow_nan)(X), np.float32(np.inf))

    return float32_converter


def without_last_category(right: Any) -> Any:
    return lambda categories: right(categories[:-1])


class _Unknown(dict[Any, float]):
    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key, 0.0)


def unknown_as_first_category(right: Any) -> Any:
    return lambda categories: _Unknown(right(categories))


def nearly_the_rate(right: Any) -> Any:
    return lambda trees, X, rate, out: right(trees, X, np.nextafter(rate, 1.0), out)


def own_columns(right: Any) -> Any:
    return lambda nodes, inner, features: nodes


def votes_of_all_classes(right: Any) -> Any:
    return lambda tree: np.roll(right(tree), 1)


def rows_first(right: Any) -> Any:
    def stacked_of(estimator: Any, compiler: Any) -> Any:
        stacked = right(estimator, compiler)
        return lambda X: np.roll(stacked(X), X.shape[1], axis=1)

    return stacked_of


def nothing_passed_on(right: Any) -> Any:
    return lambda passing, says, X: right([lambda X: 0.0] * len(says), says, X)


def forest(**options: Any) -> Any:
    return RandomForestClassifier(12, random_state=0, **options)


def histograms_of(target: Any, rows: Any, **options: Any) -> Any:
    options |= {"max_iter": 12, "min_samples_leaf": 5}
    return HistGradientBoostingRegressor(**options).fit(rows, target)


LESS, MISSING = other_nodes(less_for_less_or_equal), other_nodes(missing_the_other_way)
SWAPPED = other_nodes(children_swapped_at_the_root)
CATEGORIES = {"categorical_features": ["island", "sex"]}
BY_CATEGORY = SCORE + 2 * (FRAME["island"] == "Dream") - (FRAME["island"] == "Torgersen")

# The module and the function that are made wrong, how, a function that fits an estimator, its rows.
CORRUPT: dict[str, Any] = {
    "less for less or equal": (
        tree,
        "join_trees",
        LESS,
        lambda: forest().fit(STEPS, SCORE > 0),
        STEPS,
    ),
    "less for less or equal in histograms": (
        *(hist_gradient_boosting, "join_trees", LESS),
        *(lambda: histograms_of(SCORE, STEPS), STEPS),
    ),
    "less for less or equal below a scaler": (
        *(hist_gradient_boosting, "join_trees", LESS),
        *(
            lambda: make_pipeline(StandardScaler(), HistGradientBoostingRegressor(max_iter=12)).fit(
                X, SCORE
            ),
            X,
        ),
    ),
    "missing values the other way": (
        *(tree, "join_trees", MISSING),
        *(lambda: forest().fit(HALVES, SCORE > 0), HALVES),
    ),
    "missing values the other way in histograms": (
        *(hist_gradient_boosting, "join_trees", MISSING),
        *(lambda: histograms_of(SCORE, HALVES), HALVES),
    ),
    "children swapped": (tree, "join_trees", SWAPPED, lambda: forest().fit(X, SCORE > 0), X),
    "trees in another order": (
        *(joined_trees, "_add_selector", last_tree_first),
        *(lambda: RandomForestRegressor(30, random_state=0).fit(X, SCORE), X),
    ),
    "one tree twice": (
        *(joined_trees, "_add_selector", one_tree_twice),
        *(lambda: ExtraTreesRegressor(30, random_state=0).fit(X, SCORE), X),
    ),
    "sums backwards": (
        *(tree, "sum_in_order", backwards),
        *(lambda: RandomForestRegressor(30, random_state=0).fit(X, SCORE), X),
    ),
    "sums in pairs": (
        *(tree, "sum_in_order", in_pairs),
        *(lambda: RandomForestRegressor(30, random_state=0).fit(X, SCORE), X),
    ),
    "sums backwards in histograms": (
        *(hist_gradient_boosting, "sum_in_order", backwards),
        *(lambda: histograms_of(SCORE, X), X),
    ),
    "baseline last": (
        hist_gradient_boosting,
        "sum_in_order",
        in_pairs,
        lambda: histograms_of(SCORE, X),
        X,
    ),
    "a value nearly the same": (
        *(gradient_boosting, "float32_converter", rounded_up),
        *(lambda: GradientBoostingRegressor(n_estimators=9).fit(STEPS, SCORE), STEPS),
    ),
    "the last category dropped": (
        *(hist_gradient_boosting, "_codes_of", without_last_category),
        *(lambda: histograms_of(BY_CATEGORY, FRAME, **CATEGORIES), FRAME),
    ),
    "an unknown category as the first": (
        *(hist_gradient_boosting, "_codes_of", unknown_as_first_category),
        *(lambda: histograms_of(BY_CATEGORY, FRAME, **CATEGORIES), FRAME),
    ),
    "a rate nearly the same": (
        *(gradient_boosting, "predict_stages", nearly_the_rate),
        *(lambda: GradientBoostingRegressor(n_estimators=9).fit(X, SCORE), X),
    ),
    "other columns of bagged trees": (
        *(tree, "_with_input_columns", own_columns),
        *(lambda: BaggingRegressor(max_features=3, random_state=0).fit(X, SCORE), X),
    ),
    "other columns of isolation": (
        *(tree, "_with_input_columns", own_columns),
        *(lambda: IsolationForest(max_features=3, random_state=0).fit(X), X),
    ),
    "votes for other classes": (
        *(ada_boost, "labels_of_nodes", votes_of_all_classes),
        *(
            lambda: AdaBoostClassifier(n_estimators=9, random_state=0).fit(
                X, LABELS["three texts"]
            ),
            X,
        ),
    ),
    "X before the predictions": (
        *(stacking, "_transform", rows_first),
        lambda: StackingRegressor(
            [("line", LinearRegression()), ("tree", DecisionTreeRegressor(max_depth=3))],
            LinearRegression(),
            passthrough=True,
        ).fit(X, SCORE),
        X,
    ),
    "nothing passed along a chain": (
        *(multioutput, "_run_chain", nothing_passed_on),
        *(
            lambda: RegressorChain(LinearRegression()).fit(X, np.stack([SCORE, SCORE**2], axis=1)),
            X,
        ),
    ),
}


@pytest.mark.parametrize("what", cases(CORRUPT, quick=list(CORRUPT)[::3]))
def test_corrupt_chain_is_not_served(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module, name, corrupt, fit, rows = CORRUPT[what]
    estimator = fit()
    monkeypatch.setattr(module, name, corrupt(getattr(module, name)))
    hold_to_fallback(estimator, rows, type_of_last(estimator), caplog)


def type_of_last(estimator: Any) -> str:
    return type(estimator[-1] if hasattr(estimator, "steps") else estimator).__name__


def hold_to_fallback(
    estimator: Any, rows: Any, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="flask_skmodels"):
        models, app = SKModels(), Flask("corrupt")
        models.add("case", estimator)
        models.init_app(app)
    engine = (app.test_client().get("/case/").json or {})["engine"]
    assert engine["name"] == "sklearn"
    assert engine["reason"].startswith(f"{step}: the lean form ")
    line = f"model 'case' is served by scikit-learn's native methods: {engine['reason']}"
    assert line in caplog.messages
    for count in (1, 70):
        outputs = models.predict("case", rows[:count], app=app).outputs
        assert_equal(outputs, estimator.predict(rows[:count]))


def test_corrupt_form_inside_a_wrapper_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pairs = [("line", LogisticRegression()), ("forest", forest())]
    voter = VotingClassifier(pairs, voting="soft").fit(X, LABELS["three texts"])
    monkeypatch.setattr(tree, "join_trees", SWAPPED(joined_trees.join_trees))
    hold_to_fallback(voter, X, "RandomForestClassifier", caplog)


def test_votes_without_their_weights_are_not_served(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def of_the_first(estimator: Any, compiler: Any) -> Any:
        methods = dict(voting.voting_classifier(estimator, compiler))
        votes, classes = methods["transform"], estimator.le_.classes_
        return methods | {"predict": lambda X: classes.take(votes(X)[:, 0])}

    pairs = [("line", LogisticRegression()), ("forest", forest())]
    voter = VotingClassifier(pairs, weights=[1, 3]).fit(X, LABELS["three texts"])
    monkeypatch.setitem(compiler._FORMS, VotingClassifier, of_the_first)
    hold_to_fallback(voter, X, "VotingClassifier", caplog)


def test_classifier_of_histograms_that_leaves_out_a_class(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    boosted = HistGradientBoostingClassifier(max_iter=5).fit(X, LABELS["three texts"])
    monkeypatch.setattr(
        hist_gradient_boosting,
        "sum_in_order",
        lambda values: joined_trees.sum_in_order(values[:, [0, 0, 1]]),
    )
    hold_to_fallback(boosted, X, "HistGradientBoostingClassifier", caplog)
