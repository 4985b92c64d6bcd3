"""Finds the code that explains an estimator exactly, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import (
    active_steps,
    boosting_library,
    get,
    is_a,
    is_from_sklearn,
)
from flask_skmodels.explain import linear, tree_ensembles
from flask_skmodels.explain.column_owners import owners_after, width_taken
from flask_skmodels.explain.contributions import (
    Contributions,
    FieldColumns,
    Unexplained,
    as_margins,
    second_of_two,
)
from flask_skmodels.explain.native_contributions import booster_contributions
from flask_skmodels.schema.types import Estimator, EstimatorInput, FloatArray, ModelOutput


def contributions_of(estimator: Estimator, columns: FieldColumns) -> Contributions:
    """Return the contributions of the fields to the outputs of an estimator.

    :param estimator: a fitted estimator
    :param columns: the columns that it takes
    :raises Unexplained: the contributions cannot be computed exactly; the message says why
    """
    estimator = unwrapped(estimator)
    library = boosting_library(estimator)
    if library:
        return booster_contributions(estimator, library, columns)
    if is_a(estimator, "Pipeline"):
        return _Piped(estimator, columns)
    name = type(estimator).__name__
    if not is_from_sklearn(estimator):
        raise Unexplained(f"its {name} cannot be explained exactly by this library")
    if name in linear.NAMES:
        return linear.linear_contributions(estimator, name, columns)
    if name in tree_ensembles.NAMES:
        return tree_ensembles.tree_contributions(estimator, name, columns)
    make = next((make for cls, make in _META.items() if is_a(estimator, cls)), None)
    if make is None:
        raise Unexplained(
            f"its {name} cannot be explained exactly by this library: linear models, trees and "
            "boosted trees can be"
        )
    return make(estimator, columns)


class _Piped(Contributions):
    """The contributions to the output of a pipeline inside another estimator."""

    def __init__(self, pipeline: Estimator, columns: FieldColumns) -> None:
        steps, last, taken = unpiped(pipeline, columns)
        self._steps, self._inner = steps, contributions_of(last, taken)
        self._select = self._inner.select
        for name in ("outputs", "rules", "tolerance", "method", "has_link", "is_native", "is_slow"):
            setattr(self, name, getattr(self._inner, name))

    def __call__(self, X: EstimatorInput) -> FloatArray:
        return self._inner(self._transformed(X))

    def margins(self, X: EstimatorInput) -> FloatArray:
        return self._inner.margins(self._transformed(X))

    def select(self, outputs: ModelOutput) -> FloatArray:
        return self._select(outputs)

    def _transformed(self, X: EstimatorInput) -> EstimatorInput:
        for step in self._steps:
            X = step.transform(X)
        return X


def unpiped(
    estimator: Estimator, columns: FieldColumns
) -> tuple[list[Estimator], Estimator, FieldColumns]:
    """Return the transformers of an estimator, its last step, and the columns that this step takes.

    :param estimator: a pipeline; any other estimator has no transformers
    :raises Unexplained: a transformer mixes fields
    """
    steps: list[Estimator] = []
    baseline = columns.baseline
    estimator = unwrapped(estimator)
    while is_a(estimator, "Pipeline"):
        *first, last = active_steps(estimator)
        last = unwrapped(last)
        following = [width_taken(step) for step in [*first[1:], last]]
        for step, width in zip(first, following, strict=True):
            columns = owners_after(step, columns, width)
        steps += first
        estimator = last
    return steps, estimator, FieldColumns(columns.owners, columns.names, baseline)


def unwrapped(estimator: Estimator) -> Estimator:
    """Return the estimator inside a search, a frozen estimator or a tuned threshold."""
    while True:
        if is_a(estimator, "BaseSearchCV", "RANSACRegressor", "BaseThresholdClassifier"):
            name = "best_estimator_" if is_a(estimator, "BaseSearchCV") else "estimator_"
            estimator = getattr(estimator, name)
        elif is_a(estimator, "FrozenEstimator"):
            estimator = estimator.estimator
        else:
            return estimator


class _Weighted(Contributions):
    """The contributions to a weighted mean of the outputs of several estimators.

    :param members: the contributions to the output of each estimator, with the indices of its
        columns of X (None for all)
    :param weights: the weights of the estimators, with a sum of 1
    :param method: the method whose outputs are averaged
    """

    def __init__(
        self, members: Sequence[tuple[Contributions, Any]], weights: Sequence[float], method: str
    ) -> None:
        self._members, self._weights = members, weights
        _take_over(self, [member for member, _ in members])
        self.outputs = members[0][0].outputs
        self.method = method

    def __call__(self, X: EstimatorInput) -> FloatArray:
        parts = [
            weight * member(X if taken is None else _selected(X, taken))
            for (member, taken), weight in zip(self._members, self._weights, strict=True)
        ]
        mean: FloatArray = np.sum(parts, axis=0)
        return mean

    def select(self, outputs: ModelOutput) -> FloatArray:
        return second_of_two(outputs) if self.method == "predict_proba" else as_margins(outputs)


class _Rescaled(Contributions):
    """The contributions to the output of a regressor whose target was scaled.

    :param inner: the contributions to the outputs before they are scaled back
    :param transformer: scales the target
    """

    def __init__(self, inner: Contributions, transformer: Estimator) -> None:
        self._inner = inner
        _take_over(self, [inner])
        self.outputs, self.method = inner.outputs, "predict"
        zeros_and_ones = np.array([[0.0], [1.0]]) * np.ones(inner.outputs)
        self._shift, whole = transformer.inverse_transform(zeros_and_ones)
        self._scale = whole - self._shift

    def __call__(self, X: EstimatorInput) -> FloatArray:
        values: FloatArray = self._inner(X) * self._scale[:, np.newaxis]
        values[:, :, -1] += self._shift
        return values


class _Beside(Contributions):
    """The contributions to several outputs, each computed by its own estimator.

    :param members: the contributions to the output of each estimator
    :param method: the method of the estimator that returns all outputs
    """

    def __init__(self, members: Sequence[Contributions], method: str) -> None:
        self._members = members
        _take_over(self, members)
        self.outputs = sum(member.outputs for member in members)
        self.method = method

    def __call__(self, X: EstimatorInput) -> FloatArray:
        return np.concatenate([member(X) for member in self._members], axis=1)


def _take_over(whole: Contributions, members: Sequence[Contributions]) -> None:
    """Set the rules and the tolerance of contributions that are computed from others."""
    whole.rules = tuple(dict.fromkeys(rule for member in members for rule in member.rules))
    whole.tolerance = max(member.tolerance for member in members)
    whole.is_native = any(member.is_native for member in members)
    whole.is_slow = any(member.is_slow for member in members)


def _selected(X: EstimatorInput, taken: Any) -> EstimatorInput:
    """Return columns of X as an array, as bagging does even for a data frame."""
    return (X.to_numpy() if hasattr(X, "to_numpy") else X)[:, taken]


def _member(estimator: Estimator, columns: FieldColumns, method: str) -> Contributions:
    """Return the contributions to the output of a part of an ensemble.

    :param method: the method of the part that the ensemble calls
    :raises Unexplained: the outputs of this method cannot be explained exactly
    """
    inner = contributions_of(estimator, columns.without_baseline())
    if inner.method != method or inner.has_link:
        raise Unexplained(
            f"for its {type(estimator).__name__} only the margin can be explained exactly, not "
            f"{method}"
        )
    return inner


def _voting(estimator: Estimator, columns: FieldColumns) -> Contributions:
    method = "predict"
    if is_a(estimator, "VotingClassifier"):
        method = "predict_proba"
        if estimator.voting != "soft":
            raise Unexplained(
                "its VotingClassifier counts votes; only voting='soft' can be explained"
            )
    parts = estimator.estimators_
    weights = estimator._weights_not_none
    weights = np.ones(len(parts)) if weights is None else np.asarray(weights, dtype=np.float64)
    members = [(_member(part, columns, method), None) for part in parts]
    return _Weighted(members, (weights / weights.sum()).tolist(), method)


def _bagging(estimator: Estimator, columns: FieldColumns) -> Contributions:
    method = "predict_proba" if is_a(estimator, "ClassifierMixin") else "predict"
    members = []
    for part, taken in zip(estimator.estimators_, estimator.estimators_features_, strict=True):
        if method == "predict_proba" and len(get(part, "classes_")) != len(estimator.classes_):
            raise Unexplained("a part of its BaggingClassifier does not know all classes")
        selected = FieldColumns(columns.owners[taken], columns.names)
        members.append((_member(part, selected, method), taken))
    count = len(members)
    return _Weighted(members, [1 / count] * count, method)


def _transformed_target(estimator: Estimator, columns: FieldColumns) -> Contributions:
    transformer = estimator.transformer_
    is_scaler = is_a(transformer, "StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler")
    inner = contributions_of(estimator.regressor_, columns)
    if not is_scaler or inner.method != "predict" or inner.has_link:
        raise Unexplained(
            "the target of its TransformedTargetRegressor is transformed by a function, so a "
            "prediction is not a sum of contributions"
        )
    return _Rescaled(inner, transformer)


def _multi_output(estimator: Estimator, columns: FieldColumns) -> Contributions:
    if not is_a(estimator, "MultiOutputRegressor"):
        raise Unexplained(f"its {type(estimator).__name__} predicts classes for several outputs")
    return _Beside([_member(e, columns, "predict") for e in estimator.estimators_], "predict")


def _one_vs_rest(estimator: Estimator, columns: FieldColumns) -> Contributions:
    if estimator.multilabel_:
        raise Unexplained("its OneVsRestClassifier predicts several labels for a row")
    parts = [_member(e, columns, "decision_function") for e in estimator.estimators_]
    return _Beside(parts, "decision_function")


_META: dict[str, Callable[[Estimator, FieldColumns], Contributions]] = {
    "_BaseVoting": _voting,
    "BaggingClassifier": _bagging,
    "BaggingRegressor": _bagging,
    "TransformedTargetRegressor": _transformed_target,
    "_MultiOutputEstimator": _multi_output,
    "OneVsRestClassifier": _one_vs_rest,
}
