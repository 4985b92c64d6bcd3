"""Lean forms of ensembles of any estimators: bagging, voting, stacking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    doubles,
    lean_form,
)
from flask_skmodels.engines.lean.forms.ensemble.boosting import are_trees
from flask_skmodels.engines.lean.forms.tree import (
    CLASSIFIERS,
    REGRESSORS,
    LeafValues,
    dense,
    singles_for,
    takes_missing,
)
from flask_skmodels.engines.lean.joined_trees import Array


@lean_form(BaggingRegressor)
def bagging_regressor(estimator: BaggingRegressor, compiler: Compiler) -> Methods:
    parts, count = estimator.estimators_, estimator.n_estimators
    if are_trees(parts, REGRESSORS):
        total = _leaf_sums(estimator, [tree.tree_.value[:, 0, 0] for tree in parts])
    else:
        total = _sum_of(_each_part(estimator, compiler), "predict")
    return {"predict": lambda X: total(X) / count}


@lean_form(BaggingClassifier)
def bagging_classifier(estimator: BaggingClassifier, compiler: Compiler) -> Methods:
    each, count = _each_part(estimator, compiler), estimator.n_estimators
    logarithms = _logarithms_of(estimator, each)
    if are_trees(estimator.estimators_, CLASSIFIERS):
        shares = _leaf_sums(
            estimator, list(map(_shares_of_nodes(estimator), estimator.estimators_))
        )
    else:
        shares = _shares_of(estimator, each)

    def predict_proba(X: Any) -> Any:
        return shares(X) / count

    methods: Methods = {
        "predict": lambda X: estimator.classes_.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
        "predict_log_proba": lambda X: np.log(predict_proba(X)),
    }
    if hasattr(estimator.estimator_, "predict_log_proba"):
        methods["predict_log_proba"] = logarithms
    if all("decision_function" in methods for methods, _, _ in each):
        scores = _sum_of(each, "decision_function")
        methods["decision_function"] = lambda X: scores(X) / count
    return methods


# The methods of an estimator, the columns that it was fitted on, the places of its classes.
_Part = tuple[Methods, Array, Any]


def _each_part(estimator: Any, compiler: Compiler) -> list[_Part]:
    pairs = zip(estimator.estimators_, estimator.estimators_features_, strict=True)
    return [
        (compiler.methods(part), features, getattr(part, "classes_", None))
        for part, features in pairs
    ]


def _sum_of(each: Sequence[_Part], method: str) -> Call:
    calls = [(methods[method], features) for methods, features, _ in each]

    def total(X: Any) -> Any:
        X = doubles(X)
        return sum(call(X[:, features]) for call, features in calls)

    return total


def _shares_of(estimator: BaggingClassifier, each: Sequence[_Part]) -> Call:
    """Return what sums the probabilities, or else the votes, of its estimators."""
    count = estimator.n_classes_
    if any("predict_proba" not in methods for methods, _, _ in each):
        return _votes_of(count, each)

    def shares(X: Any) -> Any:
        X = doubles(X)
        total = np.zeros((len(X), count))
        for methods, features, places in each:
            own = methods["predict_proba"](X[:, features])
            if own.shape[1] == count:
                total += own
            else:
                total[:, places] += own
        return total

    return shares


def _votes_of(count: int, each: Sequence[_Part]) -> Call:
    def votes(X: Any) -> Any:
        X = doubles(X)
        total, rows = np.zeros((len(X), count)), np.arange(len(X))
        for methods, features, _ in each:
            total[rows, methods["predict"](X[:, features])] += 1
        return total

    return votes


def _logarithms_of(estimator: BaggingClassifier, each: Sequence[_Part]) -> Call:
    count, parts = estimator.n_classes_, len(each)

    are_all_trees = are_trees(estimator.estimators_, CLASSIFIERS)

    def logarithms(X: Any) -> Any:
        X = dense(X) if are_all_trees else doubles(X)
        total = np.full((len(X), count), -np.inf)
        for methods, features, places in each:
            own = methods["predict_log_proba"](X[:, features])
            total[:, places] = np.logaddexp(total[:, places], own)
        total -= np.log(parts)
        return total

    return logarithms


def _shares_of_nodes(estimator: BaggingClassifier) -> Call:
    def shares(tree: Any) -> Array:
        total = np.zeros((tree.tree_.node_count, estimator.n_classes_))
        total[:, tree.classes_] = tree.tree_.value[:, 0]
        return total

    return shares


def _leaf_sums(estimator: Any, values: Sequence[Array]) -> Call:
    trees, width = estimator.estimators_, estimator.n_features_in_
    singles = singles_for(takes_missing(trees[0]))
    leaves = LeafValues(trees, values, width, estimator.estimators_features_)
    return lambda X: leaves.total(singles(X))


@lean_form(VotingClassifier)
def voting_classifier(estimator: VotingClassifier, compiler: Compiler) -> Methods:
    each = list(map(compiler.methods, estimator.estimators_))
    weights, classes = estimator._weights_not_none, estimator.le_.classes_
    if estimator.voting == "soft":
        return _soft_vote(each, weights, classes, is_flat=estimator.flatten_transform)
    votes = _predictions_of(each)

    def winner(row: Array) -> Any:
        return np.bincount(row, weights=weights).argmax()

    return {
        "predict": lambda X: classes.take([winner(row) for row in votes(X)]),
        "transform": votes,
    }


def _soft_vote(each: Sequence[Methods], weights: Any, classes: Array, *, is_flat: bool) -> Methods:
    calls = [methods["predict_proba"] for methods in each]

    def shares(X: Any) -> Array:
        return np.asarray([call(X) for call in calls])

    def predict_proba(X: Any) -> Any:
        return np.average(shares(X), axis=0, weights=weights)

    methods: Methods = {
        "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
    }
    if is_flat:  # what else it is has no entry for each row
        methods["transform"] = lambda X: np.hstack(list(shares(X)))
    return methods


@lean_form(VotingRegressor)
def voting_regressor(estimator: VotingRegressor, compiler: Compiler) -> Methods:
    predictions = _predictions_of(list(map(compiler.methods, estimator.estimators_)))
    weights = estimator._weights_not_none
    return {
        "predict": lambda X: np.average(predictions(X), axis=1, weights=weights),
        "transform": predictions,
    }


def _predictions_of(each: Sequence[Methods]) -> Call:
    """Return what predicts by each estimator, of shape (rows, estimators)."""
    calls = [methods["predict"] for methods in each]
    return lambda X: np.asarray([call(X) for call in calls]).T


@lean_form(StackingRegressor)
def stacking_regressor(estimator: StackingRegressor, compiler: Compiler) -> Methods:
    stacked = _stacked_of(estimator, compiler)
    last = compiler.methods(estimator.final_estimator_)["predict"]
    return {
        "predict": lambda X: last(stacked(X).astype(np.float64, copy=False)),
        "transform": stacked,
    }


@lean_form(StackingClassifier)
def stacking_classifier(estimator: StackingClassifier, compiler: Compiler) -> Methods:
    if isinstance(estimator._label_encoder, list):
        raise Decline("it has several outputs")
    stacked, classes = _stacked_of(estimator, compiler), estimator._label_encoder.classes_
    last = compiler.methods(estimator.final_estimator_)

    def chained(call: Call) -> Call:
        return lambda X: call(stacked(X).astype(np.float64, copy=False))

    predict = chained(last["predict"])
    kept = ("predict_proba", "decision_function")
    methods = {method: chained(last[method]) for method in kept if method in last}
    return methods | {
        "predict": lambda X: classes.take(predict(X)),
        "transform": stacked,
    }


def _stacked_of(estimator: Any, compiler: Compiler) -> Call:
    """Return what puts side by side what its estimators say, and where it asks for it X."""
    pairs = zip(estimator.estimators_, estimator.stack_method_, strict=True)
    calls = [(compiler.methods(part)[method], method) for part, method in pairs]
    is_binary = len(getattr(estimator, "classes_", ())) == 2
    passes = estimator.passthrough

    def stacked(X: Any) -> Any:
        blocks = []
        for call, method in calls:
            said = call(X)
            if isinstance(said, list):
                blocks += [part[:, 1:] for part in said]
            elif said.ndim == 1:
                blocks.append(said.reshape(-1, 1))
            else:
                blocks.append(said[:, 1:] if is_binary and method == "predict_proba" else said)
        return np.hstack([*blocks, doubles(X)] if passes else blocks)

    return stacked
