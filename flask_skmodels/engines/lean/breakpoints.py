"""Breakpoints: the values of the input columns at which a fitted estimator may change its output.

The probes of the lean engine are drawn from the breakpoints and from the numbers next to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from flask_skmodels.engines.lean.booster_splits import booster_splits
from flask_skmodels.engines.lean.encoder_categories import categories_of
from flask_skmodels.engines.lean.inverse_transforms import Breakpoints, map_back
from flask_skmodels.engines.lean.sample_texts import sample_texts
from flask_skmodels.estimators.attributes import get, is_a, is_from
from flask_skmodels.schema.types import Array, Estimator, FieldValue, Keywords

MAX_VALUES = 200  # for each column
MAX_WIDTH = 20_000  # columns inside a pipeline; hashed words may have millions
_MAX_ESTIMATORS = 20  # inner estimators that are searched
_THRESHOLDS = ("threshold", "binarize")  # parameters that apply to all columns
_DEVIATIONS = (-3.0, -1.0, -0.5, 0.5, 1.0, 3.0)


def find_breakpoints(
    estimator: Estimator, width: int, names: Sequence[str] | None = None
) -> Breakpoints:
    """Return the breakpoints of each column of X.

    These are thresholds of trees, edges of bins, categories, texts of known and unknown words,
    means and values around them, and the numbers in any other fitted attribute that has one entry
    for each column.

    :param estimator: a fitted estimator
    :param width: the number of columns of X
    :param names: the names of the columns, if X is a data frame
    """
    try:
        columns = _breakpoints_of(estimator, width, list(names or ()))
    except Exception:  # an object of another library with unusual attributes
        columns = [[] for _ in range(width)]
    return [_distinct(values) for values in columns]


def _breakpoints_of(estimator: Estimator, width: int, names: list[str]) -> Breakpoints:
    if is_a(estimator, "Pipeline"):
        steps = [step for _, step in estimator.steps if not hasattr(step, "fit_resample")]
        return _of_pipeline(steps, width, names)
    if is_a(estimator, "ColumnTransformer"):
        return _of_column_transformer(estimator, width, names)
    if is_from(estimator, "category_encoders"):
        return _of_category_encoder(estimator, width, names)
    if is_a(estimator, "_VectorizerMixin") and width == 1:
        return [sample_texts(estimator)]
    return _merged(
        [
            _of_tree(estimator, width),
            _of_hist_gradient_boosting(estimator, width),
            _of_booster(estimator, width),
            _of_attributes(estimator, width),
            _of_splines(estimator, width),
            _of_bagging(estimator, width),
        ]
        + [_breakpoints_of(inner, width, names) for inner in _inner_estimators(estimator, width)],
        width,
    )


def _of_pipeline(steps: Sequence[Estimator], width: int, names: list[str]) -> Breakpoints:
    """Return the breakpoints of the first step, and of later steps, mapped to its input columns."""
    if not steps:
        return [[] for _ in range(width)]
    first, rest = steps[0], steps[1:]
    breakpoints = _breakpoints_of(first, width, names)
    if rest:
        with suppress(Exception):  # a step without n_features_in_, or without an inverse
            inner_width = _output_width(first, rest, width)
            if inner_width > MAX_WIDTH:
                return breakpoints
            later = _of_pipeline(rest, inner_width, [])
            return _merged([breakpoints, map_back(first, later, width)], width)
    return breakpoints


def _output_width(step: Estimator, rest: Sequence[Estimator], width: int) -> int:
    """Return the number of columns that a step returns."""
    if step in (None, "passthrough"):
        return width
    following = next((each for each in rest if hasattr(each, "n_features_in_")), None)
    return width if following is None else int(following.n_features_in_)


def _of_column_transformer(estimator: Estimator, width: int, names: list[str]) -> Breakpoints:
    breakpoints: Breakpoints = [[] for _ in range(width)]
    input_indices = estimator._transformer_to_input_indices
    for name, part, _ in estimator.transformers_:
        indices = list(input_indices.get(name, ()))
        if isinstance(part, str) or not indices:
            continue
        selected = [names[index] for index in indices] if names else []
        columns = _breakpoints_of(part, len(indices), selected)
        for index, values in zip(indices, columns, strict=True):
            breakpoints[index] += values
    return breakpoints


def _of_category_encoder(encoder: Estimator, width: int, names: list[str]) -> Breakpoints:
    breakpoints: Breakpoints = [[] for _ in range(width)]
    for column in get(encoder, "cols") or ():
        with suppress(Exception):  # an encoder without categories, such as one that hashes
            breakpoints[names.index(column)] += categories_of(encoder, column)
    return breakpoints


def _of_tree(estimator: Estimator, width: int) -> Breakpoints:
    tree = get(estimator, "tree_") if is_a(estimator, "BaseDecisionTree") else None
    breakpoints: Breakpoints = [[] for _ in range(width)]
    if tree is not None:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                breakpoints[feature].append(float(threshold))
    return breakpoints


def _of_hist_gradient_boosting(estimator: Estimator, width: int) -> Breakpoints:
    breakpoints: Breakpoints = [[] for _ in range(width)]
    with suppress(Exception):  # private attributes may change between releases
        indices = _column_order(estimator, width)
        trees = np.ravel(np.array(estimator._predictors, dtype=object))
        for tree in _evenly_spaced(list(trees)):
            nodes = tree.nodes
            nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
            for feature, value in zip(nodes["feature_idx"], nodes["num_threshold"], strict=True):
                breakpoints[indices[feature]].append(float(value))
    return breakpoints


def _of_booster(estimator: Estimator, width: int) -> Breakpoints:
    breakpoints: Breakpoints = [[] for _ in range(width)]
    with suppress(Exception):  # attributes may change between releases
        for feature, threshold in booster_splits(estimator):
            breakpoints[feature].append(threshold)
    return breakpoints


def _column_order(estimator: Estimator, width: int) -> Sequence[int]:
    """Return the column of X for each feature: histogram boosting puts categorical ones first."""
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None:
        return range(width)
    return [int(index) for index in np.argsort(~np.asarray(is_categorical), kind="stable")]


def _of_attributes(estimator: Estimator, width: int) -> Breakpoints:
    breakpoints: Breakpoints = [[] for _ in range(width)]
    for value in _fitted_attributes(estimator).values():
        if _is_sequence(value) and len(value) == width:
            for index, each in enumerate(value):  # categories, edges of bins
                if isinstance(each, np.ndarray) and each.ndim == 1:
                    breakpoints[index] += each.tolist()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            _add_array(breakpoints, value, width)
    _add_deviations(breakpoints, estimator, width)
    for name in _THRESHOLDS:
        if isinstance(threshold := getattr(estimator, name, None), int | float):
            breakpoints = [[*values, float(threshold)] for values in breakpoints]
    return breakpoints


def _is_sequence(value: object) -> bool:
    return isinstance(value, list | tuple) or getattr(value, "dtype", None) == np.object_


def _add_array(breakpoints: Breakpoints, array: Array, width: int) -> None:
    if array.ndim in (1, 2) and array.shape[-1] == width and len(array):
        for index, column in enumerate(np.atleast_2d(array).T):
            breakpoints[index] += _evenly_spaced(column.tolist())


def _add_deviations(breakpoints: Breakpoints, estimator: Estimator, width: int) -> None:
    mean = getattr(estimator, "mean_", getattr(estimator, "center_", None))
    scale = getattr(estimator, "scale_", None)
    if mean is not None and scale is not None and np.shape(mean) == np.shape(scale) == (width,):
        for index in range(width):
            breakpoints[index] += [float(mean[index] + d * scale[index]) for d in _DEVIATIONS]


def _of_splines(estimator: Estimator, width: int) -> Breakpoints:
    """Return the knots of splines, one for each column."""
    each = get(estimator, "bsplines_")
    if not isinstance(each, list) or len(each) != width:
        return [[] for _ in range(width)]
    return [[float(knot) for knot in spline.t] for spline in each]


def _of_bagging(estimator: Estimator, width: int) -> Breakpoints:
    """Return the breakpoints of inner estimators that are each fitted on some of the columns."""
    breakpoints: Breakpoints = [[] for _ in range(width)]
    inner = getattr(estimator, "estimators_", ())
    features_of_each = getattr(estimator, "estimators_features_", ())
    pairs = list(zip(inner, features_of_each, strict=False))
    for part, features in _evenly_spaced(pairs, _MAX_ESTIMATORS):
        columns = _breakpoints_of(part, len(features), [])
        for index, values in zip(features, columns, strict=True):
            breakpoints[index] += values
    return breakpoints


def _inner_estimators(estimator: Estimator, width: int) -> list[Estimator]:
    """Return the fitted estimators inside an estimator that take the same columns as it."""
    parts: list[Estimator] = []
    for value in _fitted_attributes(estimator).values():
        for entry in _entries(value):
            parts += [_calibrated_classifier(part) for part in _entries(entry)]
    same = [part for part in parts if getattr(part, "n_features_in_", None) == width]
    return _evenly_spaced(same, _MAX_ESTIMATORS)


def _entries(value: Any) -> Iterable[FieldValue]:
    if isinstance(value, np.ndarray):
        return list(value) if value.dtype == object and value.ndim else []
    return value if isinstance(value, list | tuple) else [value]


def _calibrated_classifier(part: Estimator) -> Estimator:
    """Return the classifier inside a calibrated classifier, and any other estimator unchanged."""
    return part if hasattr(part, "n_features_in_") else getattr(part, "estimator", None)


def _fitted_attributes(estimator: Estimator) -> Keywords:
    attributes: Keywords = getattr(estimator, "__dict__", {})
    return {
        name: value
        for name, value in attributes.items()
        if name.endswith("_") or name.startswith("_")
    }


def _merged(each: Iterable[Breakpoints], width: int) -> Breakpoints:
    merged: Breakpoints = [[] for _ in range(width)]
    for breakpoints in each:
        for index, values in enumerate(breakpoints):
            merged[index] += values
    return merged


def _distinct(values: list[FieldValue]) -> list[FieldValue]:
    """Return distinct values without NaN, thinned out evenly if there are too many."""
    return _evenly_spaced(list(dict.fromkeys(value for value in values if value == value)))


def _evenly_spaced(values: list[FieldValue], count: int = MAX_VALUES) -> list[FieldValue]:
    if len(values) <= count:
        return values
    return [values[index] for index in np.linspace(0, len(values) - 1, count).astype(int)]
