"""Transformers that write column indices from their attributes into a sparse matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    check_indices,
    check_shape,
    ensure,
    state_of,
    structure,
    whole_number,
)
from flask_skmodels.schema.types import Array, Estimator


@structure(
    "sklearn.feature_extraction.text.CountVectorizer",
    "sklearn.feature_extraction._dict_vectorizer.DictVectorizer",
)
def check_vocabulary(estimator: Estimator) -> None:
    """Check that each term of a vocabulary has a column of its own."""
    vocabulary = state_of(estimator).get("vocabulary_")
    if vocabulary is None:
        return
    ensure(isinstance(vocabulary, Mapping), "vocabulary_ is not a dictionary")
    columns = np.array(list(vocabulary.values()))
    count = len(columns)
    check_indices(columns, count, "the columns of vocabulary_")
    ensure(not count or np.bincount(columns).max() == 1, "vocabulary_ uses a column twice")


@structure(
    "sklearn.feature_extraction._hash.FeatureHasher",
    "sklearn.feature_extraction.text.HashingVectorizer",
)
def check_hasher(estimator: Estimator) -> None:
    """Check the number of columns: the native code divides by it."""
    whole_number(state_of(estimator).get("n_features"), "n_features", 1)


@structure("sklearn.preprocessing._label.MultiLabelBinarizer")
def check_label_columns(estimator: Estimator) -> None:
    """Check the columns of the labels."""
    state = state_of(estimator)
    columns = state.get("_cached_dict")
    if columns:
        count = len(state["classes_"])
        check_indices(np.array(list(columns.values())), count, "the columns of its labels")


@structure("sklearn.preprocessing._encoders.OneHotEncoder")
def check_one_hot_encoder(estimator: Estimator) -> None:
    """Check that each category has a column within those of its field."""
    state = state_of(estimator)
    categories = state.get("categories_")
    if categories is None:
        return
    widths = state.get("_n_features_outs", [len(each) for each in categories])
    ensure(len(widths) == len(categories), "_n_features_outs has the wrong length")
    dropped = _of_each(state.get("_drop_idx_after_grouping"), len(categories))
    mappings = _of_each(state.get("_default_to_infrequent_mappings"), len(categories))
    for each, width, drop, mapping in zip(categories, widths, dropped, mappings, strict=True):
        _check_order(each)
        needed = _columns(len(each), mapping)
        if drop is not None:
            needed -= 1
            check_indices([drop], needed + 1, "the dropped categories")
        ensure(whole_number(width, "_n_features_outs", 0) >= needed, "a field has too few columns")


def _of_each(values: Any, count: int) -> list[Any]:
    """Return the value of each field, None for a field without one."""
    if values is None:
        return [None] * count
    ensure(len(values) == count, "an attribute must have one value for each field")
    return list(values)


def _columns(count: int, mapping: Any) -> int:
    """Return the number of columns for the categories of a field, before one is dropped."""
    if mapping is None:
        return count
    check_shape(mapping, (count,), "the mapping of infrequent categories")
    check_indices(mapping, count, "the mapping of infrequent categories")
    return int(mapping.max()) + 1 if count else 0


def _check_order(categories: Array) -> None:
    """Check that numbers are sorted, with a NaN last: they are searched by bisection."""
    if getattr(categories, "dtype", np.dtype(object)).kind in "iufb":
        numbers = categories[:-1] if len(categories) and np.isnan(categories[-1]) else categories
        ensure((numbers[1:] > numbers[:-1]).all(), "its categories are not sorted")
