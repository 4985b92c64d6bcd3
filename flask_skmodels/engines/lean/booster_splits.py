"""The thresholds in the trees of LightGBM, XGBoost and CatBoost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from flask_skmodels.artifacts.structures.universal_json import read_universal_json
from flask_skmodels.estimators.attributes import boosting_library
from flask_skmodels.schema.types import Array, Estimator

_ITERATIONS = 20  # in which splits are searched
_LIGHTGBM_ARRAYS = re.compile(r"^(split_feature|threshold|decision_type)=(.*)$", re.MULTILINE)

Splits = Iterable[tuple[int, float]]


def booster_splits(estimator: Estimator) -> Splits:
    """Return the column and the threshold of splits in the first trees of a booster.

    :param estimator: a fitted estimator; the result is empty if it is not a booster
    :raises Exception: an attribute has moved in another release of its library
    """
    read = _READERS.get(boosting_library(estimator))
    return read(estimator) if read is not None else ()


def _of_lightgbm(estimator: Estimator) -> Splits:
    text = estimator.booster_.model_to_string(num_iteration=_ITERATIONS)
    found: dict[str, list[Array]] = {"split_feature": [], "threshold": [], "decision_type": []}
    for name, numbers in _LIGHTGBM_ARRAYS.findall(text):
        found[name].append(np.array(numbers.split(), dtype=np.float64))
    features, thresholds, kinds = (np.concatenate(arrays) for arrays in found.values())
    return _pairs(features, thresholds, kinds.astype(np.int64) & 1 == 0)


def _of_xgboost(estimator: Estimator) -> Splits:
    booster = estimator.get_booster()
    first = booster[: min(_ITERATIONS, booster.num_boosted_rounds())]
    trees = read_universal_json(bytes(first.save_raw("ubj")))["learner"]["gradient_booster"]
    for tree in trees.get("gbtree", trees)["model"]["trees"]:
        is_number = np.asarray(tree["left_children"]) >= 0
        is_number &= np.asarray(tree["split_type"]) == 0
        yield from _pairs(tree["split_indices"], tree["split_conditions"], is_number)


def _of_catboost(estimator: Estimator) -> Splits:
    return [
        (int(index), float(border))
        for index, borders in estimator.get_borders().items()
        for border in borders
    ]


def _pairs(features: Any, thresholds: Any, is_number: Array) -> Splits:
    """Return the splits on numbers, without the splits on categories."""
    columns = np.asarray(features)[is_number].astype(np.int64).tolist()
    return zip(columns, np.asarray(thresholds)[is_number].tolist(), strict=True)


_READERS: dict[str, Callable[[Estimator], Splits]] = {
    "lightgbm": _of_lightgbm,
    "xgboost": _of_xgboost,
    "catboost": _of_catboost,
}
