"""Where an estimator may change its mind: the values of its columns that its fit has left in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.engines.lean.inverse_transforms import Landmarks, taken_back

MOST = 200  # values a column
_THRESHOLDS = ("threshold", "binarize")  # of all columns alike
_STEPS = (-3.0, -1.0, -0.5, 0.5, 1.0, 3.0)


def landmarks(estimator: Any, width: int, names: Sequence[str] | None = None) -> Landmarks:
    """Return for each column of X the values at which an estimator may answer otherwise.

    These are thresholds of trees, edges of bins, categories, means and how far values lie from
    them, and whatever else the fit has kept a value a column of.

    :param estimator: fitted
    :param width: how many columns X has
    :param names: their names, where X is a data frame
    """
    found = _landmarks(estimator, width, list(names or ()))
    return [_spread(values) for values in found]


def _landmarks(estimator: Any, width: int, names: list[str]) -> Landmarks:
    if hasattr(estimator, "steps"):
        return _of_steps([step for _, step in estimator.steps], width, names)
    if hasattr(estimator, "transformers_"):
        return _of_columns(estimator, width, names)
    return _merged(
        [
            _of_tree(estimator, width),
            _of_boosting(estimator, width),
            _of_attributes(estimator, width),
            _of_bagged(estimator, width),
        ]
        + [_landmarks(part, width, names) for part in _inside(estimator, width)],
        width,
    )


def _of_steps(steps: Sequence[Any], width: int, names: list[str]) -> Landmarks:
    """Return those of the first step, and those of the next as the first would get them."""
    if not steps:
        return [[] for _ in range(width)]
    first, rest = steps[0], steps[1:]
    own = _landmarks(first, width, names)
    if rest:
        with suppress(Exception):  # it keeps no count of columns
            count = _width_after(first, rest, width)
            return _merged([own, taken_back(first, _of_steps(rest, count, []), width)], width)
    return own


def _width_after(step: Any, rest: Sequence[Any], width: int) -> int:
    """Return how many columns a step makes."""
    if step in (None, "passthrough"):
        return width
    following = next((each for each in rest if hasattr(each, "n_features_in_")), None)
    return width if following is None else int(following.n_features_in_)


def _of_columns(estimator: Any, width: int, names: list[str]) -> Landmarks:
    found: Landmarks = [[] for _ in range(width)]
    places = getattr(estimator, "_transformer_to_input_indices", {})
    for name, part, _ in estimator.transformers_:
        own = list(places.get(name, ()))
        if isinstance(part, str) or not own:
            continue
        chosen = [names[place] for place in own] if names else []
        for place, values in zip(own, _landmarks(part, len(own), chosen), strict=True):
            found[place] += values
    return found


def _of_tree(estimator: Any, width: int) -> Landmarks:
    tree = getattr(estimator, "tree_", None)
    found: Landmarks = [[] for _ in range(width)]
    if tree is not None:
        for feature, threshold in zip(tree.feature, tree.threshold, strict=True):
            if feature >= 0:
                found[feature].append(float(threshold))
    return found


def _of_boosting(estimator: Any, width: int) -> Landmarks:
    found: Landmarks = [[] for _ in range(width)]
    with suppress(Exception):  # what it keeps is its own matter
        places = _places_of(estimator, width)
        for predictor in _few(list(np.ravel(np.array(estimator._predictors, dtype=object)))):
            nodes = predictor.nodes
            nodes = nodes[(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == 0)]
            for feature, value in zip(nodes["feature_idx"], nodes["num_threshold"], strict=True):
                found[places[feature]].append(float(value))
    return found


def _places_of(estimator: Any, width: int) -> Sequence[int]:
    """Return which column of X each of histogram boosting's is: it puts categories first."""
    is_categorical = getattr(estimator, "is_categorical_", None)
    if is_categorical is None:
        return range(width)
    return [int(place) for place in np.argsort(~np.asarray(is_categorical), kind="stable")]


def _of_attributes(estimator: Any, width: int) -> Landmarks:
    found: Landmarks = [[] for _ in range(width)]
    for value in _attributes(estimator).values():
        if _is_sequence(value) and len(value) == width:
            for place, each in enumerate(value):  # categories, edges of bins
                if isinstance(each, np.ndarray) and each.ndim == 1:
                    found[place] += each.tolist()
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            _add_array(found, value, width)
    _add_spread(found, estimator, width)
    for name in _THRESHOLDS:
        if isinstance(threshold := getattr(estimator, name, None), int | float):
            found = [[*values, float(threshold)] for values in found]
    return found


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple) or getattr(value, "dtype", None) == np.object_


def _add_array(found: Landmarks, array: NDArray[Any], width: int) -> None:
    if array.ndim in (1, 2) and array.shape[-1] == width and len(array):
        for place, column in enumerate(np.atleast_2d(array).T):
            found[place] += _few(column.tolist())


def _add_spread(found: Landmarks, estimator: Any, width: int) -> None:
    middle = getattr(estimator, "mean_", getattr(estimator, "center_", None))
    scale = getattr(estimator, "scale_", None)
    if middle is not None and scale is not None and np.shape(middle) == np.shape(scale) == (width,):
        for place in range(width):
            found[place] += [float(middle[place] + step * scale[place]) for step in _STEPS]


def _of_bagged(estimator: Any, width: int) -> Landmarks:
    """Return those of estimators that are each given some of the columns."""
    found: Landmarks = [[] for _ in range(width)]
    pairs = zip(
        _get(estimator, "estimators_"), _get(estimator, "estimators_features_"), strict=False
    )
    for part, features in _few(list(pairs), 20):
        for place, values in zip(features, _landmarks(part, len(features), []), strict=True):
            found[place] += values
    return found


def _inside(estimator: Any, width: int) -> list[Any]:
    """Return the fitted estimators inside one that are given the same columns."""
    parts: list[Any] = []
    for value in _attributes(estimator).values():
        for entry in _entries(value):
            parts += [_classifier_of(part) for part in _entries(entry)]
    same = [part for part in parts if getattr(part, "n_features_in_", None) == width]
    return _few(same, 20)


def _entries(value: Any) -> Iterable[Any]:
    if isinstance(value, np.ndarray):
        return list(value) if value.dtype == object and value.ndim else []
    return value if isinstance(value, list | tuple) else [value]


def _classifier_of(part: Any) -> Any:
    """Return the classifier inside one that is calibrated, anything else as it is."""
    return part if hasattr(part, "n_features_in_") else getattr(part, "estimator", None)


def _get(estimator: Any, name: str) -> Sequence[Any]:
    found: Sequence[Any] = getattr(estimator, name, ())
    return found


def _attributes(estimator: Any) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(estimator, "__dict__", {})
    return {name: value for name, value in found.items() if name.endswith("_") or name[:1] == "_"}


def _merged(each: Iterable[Landmarks], width: int) -> Landmarks:
    found: Landmarks = [[] for _ in range(width)]
    for some in each:
        for place, values in enumerate(some):
            found[place] += values
    return found


def _spread(values: list[Any]) -> list[Any]:
    """Return distinct values, not more than there is room for, from all over their range."""
    distinct = list(dict.fromkeys(value for value in values if value == value))
    return _few(distinct, MOST)


def _few(values: list[Any], most: int = MOST) -> list[Any]:
    if len(values) <= most:
        return values
    return [values[place] for place in np.linspace(0, len(values) - 1, most).astype(int)]
