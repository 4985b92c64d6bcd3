"""The categories that boosting libraries record from the data frame that they were fitted on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flask_skmodels.estimators.attributes import is_a, is_from, to_python
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.schema.fields import NUMBER_KINDS, Inputs
from flask_skmodels.schema.types import Estimator

_LIGHTGBM_INDICES = re.compile(r"^\[categorical_feature: ([\d,]+)\]$", re.MULTILINE)
_KINDS = {str: "string", int: "integer", float: "number", bool: "boolean"}


@dataclass(frozen=True, slots=True)
class RecordedCategories:
    """The categories of one column.

    :param values: the categories, in order; None if the library did not record them
    :param rejects_unknown: whether any other value is an error; if not, any other value counts as
        missing
    """

    values: tuple[object, ...] | None
    rejects_unknown: bool

    @property
    def kind(self) -> str:
        """The type of the categories, as in :class:`~flask_skmodels.schema.fields.InputColumn`.

        Integers mixed with floats are numbers; any other mixture is unknown.
        """
        kinds = {_KINDS.get(type(value), "unknown") for value in self.values or ()}
        if kinds == NUMBER_KINDS:
            return "number"
        return kinds.pop() if len(kinds) == 1 else "unknown"


def recorded_categories(estimator: Estimator) -> dict[int, RecordedCategories]:
    """Return the categories of the columns that had a dtype of pandas categories in ``fit``.

    :param estimator: any object; LightGBM and XGBoost record such columns
    :returns: the categories by the index of the column; nothing is raised
    """
    with suppress(Exception):  # not fitted, or attributes of another version
        if is_from(estimator, "lightgbm"):
            return _of_lightgbm(estimator.booster_)
        if is_from(estimator, "xgboost"):
            return _of_xgboost(estimator.get_booster())
    return {}


def restricted(inputs: Inputs, estimator: Estimator) -> Inputs:
    """Return X with only known categories, unless unknown ones count as missing for the estimator.

    :param inputs: the X that the estimator takes
    :param estimator: the fitted estimator
    """
    is_lenient = any(map(_takes_unknown_as_missing, estimators_in(estimator)))
    if inputs.columns is None or is_lenient:
        return inputs
    columns = tuple(
        replace(column, allowed=column.categories) if column.allowed is None else column
        for column in inputs.columns
    )
    return replace(inputs, columns=columns)


def _takes_unknown_as_missing(estimator: Estimator) -> bool:
    return is_from(estimator, "lightgbm") or is_a(estimator, "BaseHistGradientBoosting")


def _of_lightgbm(booster: Estimator) -> dict[int, RecordedCategories]:
    """Return the categories of a LightGBM model, for which an unknown category counts as missing.

    LightGBM records the categories in the order of the columns, but their indices only in the text
    of the model.
    """
    lists = booster.pandas_categorical
    if not lists:
        return {}
    match = _LIGHTGBM_INDICES.search(booster.model_to_string(num_iteration=1))
    indices = [] if match is None else [int(index) for index in match[1].split(",")]
    if len(indices) != len(lists):  # some columns of numbers were declared categorical
        return {}
    return {
        index: RecordedCategories(_plain(values), rejects_unknown=False)
        for index, values in zip(indices, lists, strict=True)
    }


def _of_xgboost(booster: Estimator) -> dict[int, RecordedCategories]:
    """Return the categories of an XGBoost model, for which unknown ones have no clear meaning.

    XGBoost records them since version 3.1.
    """
    types = booster.feature_types or ()
    found = {index: None for index, kind in enumerate(types) if kind == "c"}
    if not found:
        return {}
    recorded: dict[int, tuple[object, ...] | None] = {**found}
    with suppress(AttributeError, TypeError, ImportError):
        arrays = booster.get_categories(export_to_arrow=True).to_arrow()
        recorded = {
            index: _whole_values(array)
            for index, (_, array) in enumerate(arrays)
            if index in found and array is not None  # without categories, X has codes
        }
    return {
        index: RecordedCategories(values, rejects_unknown=True)
        for index, values in recorded.items()
    }


def _whole_values(array: Any) -> tuple[object, ...] | None:
    """Return the values of an Arrow array, None if its texts are not whole.

    XGBoost 3.1 and 3.2 cut off the last bytes of texts that are not ASCII, because they count
    characters.
    """
    with suppress(UnicodeDecodeError):
        values = _plain(array.to_pylist())
        is_whole = all(value.isascii() for value in values if isinstance(value, str))
        return values if is_whole else None
    return None


def _plain(values: Iterable[Any]) -> tuple[object, ...]:
    return tuple(to_python(np.asarray(values, dtype=object)))
