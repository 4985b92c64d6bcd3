"""Histogram-based gradient boosting: the nodes of its trees, and the sets of categories."""

from __future__ import annotations

from functools import partial

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    Part,
    check_indices,
    check_shape,
    ensure,
    feature_count,
    state_of,
    structure,
)
from flask_skmodels.artifacts.structures.trees import check_nodes
from flask_skmodels.schema.types import Array, Estimator

_WORDS = 8  # of 32 bits in the set of categories of one split


@structure("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
def check_predictor(predictor: Part) -> None:
    """Check the nodes of a tree, and that each split on categories has its set."""
    state = state_of(predictor)
    nodes = state["nodes"]
    ensure(getattr(nodes, "ndim", 0) == 1, "nodes must have one dimension")
    is_leaf = nodes["is_leaf"] != 0
    check_nodes(nodes["left"], nodes["right"], is_leaf)
    is_split = (nodes["is_categorical"] != 0) & ~is_leaf
    for name in ("raw_left_cat_bitsets", "binned_left_cat_bitsets"):
        sets = state[name]
        check_shape(sets, (len(sets), _WORDS), name)
        check_indices(nodes["bitset_idx"][is_split], len(sets), "the sets of categories")


@structure(
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.BaseHistGradientBoosting",
)
def check_boosting(estimator: Estimator) -> None:
    """Check that the trees split on columns of X, and on categories only where there are any."""
    state = state_of(estimator)
    predictors = state.get("_predictors")
    if predictors is None:
        return
    width = feature_count(estimator)
    _check_preprocessor(state.get("_preprocessor"), width)
    is_categorical = np.asarray(state_of(state["_bin_mapper"])["is_categorical_"])
    check_shape(is_categorical, (width,), "is_categorical_")
    for iteration in predictors:
        for predictor in iteration:
            _check_columns(state_of(predictor)["nodes"], is_categorical != 0)


def _check_columns(nodes: Array, is_categorical: Array) -> None:
    splits = nodes[nodes["is_leaf"] == 0]
    columns = check_indices(splits["feature_idx"], len(is_categorical), "the columns of its splits")
    on_categories = columns[splits["is_categorical"] != 0]
    ensure(is_categorical[on_categories].all(), "a split on categories is in a column of numbers")


def _check_preprocessor(preprocessor: Part, width: int) -> None:
    """Check that the columns of categories are encoded, and all others passed on.

    The trees take what it returns without a check of the width.
    """
    if preprocessor is None:
        return
    ensure(feature_count(preprocessor) == width, "its preprocessor takes X of the wrong width")
    masks = []
    for name, transformer, mask in state_of(preprocessor)["transformers_"]:
        kind = type(transformer).__name__
        is_known = name in ("encoder", "numerical") and kind in (
            "OrdinalEncoder",
            "FunctionTransformer",
        )
        ensure(is_known or name == "remainder", "its preprocessor has an unexpected step")
        if kind == "FunctionTransformer":
            _check_function(state_of(transformer).get("func"))
        if name != "remainder":
            check_shape(np.asarray(mask), (width,), "a mask of columns")
            masks.append(np.asarray(mask, dtype=bool).astype(int))
    ensure(len(masks) == 2, "its preprocessor has the wrong number of steps")
    ensure((masks[0] + masks[1] == 1).all(), "its preprocessor drops a column")


def _check_function(function: Part) -> None:
    inner = function.func if isinstance(function, partial) else function
    is_check = getattr(inner, "__name__", "") == "check_array"
    ensure(inner is None or is_check, "its preprocessor calls an unexpected function")
