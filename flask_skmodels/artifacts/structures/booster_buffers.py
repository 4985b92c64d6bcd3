"""The buffers of XGBoost, LightGBM and CatBoost, checked before the library parses them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    State,
    Unsound,
    check_indices,
    check_shape,
    ensure,
    whole_number,
)
from flask_skmodels.artifacts.structures.thread_counts import check_number_of_threads
from flask_skmodels.artifacts.structures.universal_json import read_universal_json
from flask_skmodels.schema.types import Array, JSONMapping

_MAX_CATEGORY = 2**24  # XGBoost's own limit
_NO_PARENT = (-1, 2**31 - 1)  # XGBoost's values for the first node
_OBJECTIVE_CLASSES = re.compile(r"\bnum_class:(-?\d+)")


def check_booster(cls: type, state: Any) -> None:
    """Check the state of a booster before it is given to ``__setstate__``.

    :param cls: the class of an object in a file; only boosters are checked
    :param state: its state
    :raises Unsound: the library would read or write outside an array
    """
    names = {f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__}
    for name, check in _BOOSTERS.items():
        if name in names:
            ensure(isinstance(state, Mapping), "its state is not a dictionary")
            check(state)


# -- XGBoost


def _check_xgboost(state: State) -> None:
    buffer = state.get("handle")
    if buffer is None:
        return
    document = read_universal_json(bytes(buffer))
    options = document.get("Config", {}).get("learner", {}).get("generic_param", {})
    for name in options.keys() & {"nthread", "n_jobs"}:
        check_number_of_threads(name, int(options[name]))
    check_xgboost_learner(document["Model"]["learner"])


def check_xgboost_learner(learner: JSONMapping) -> None:
    """Check the learner in the document of an XGBoost model.

    :raises Unsound: the library would read or write outside an array
    """
    parameters = learner["learner_model_param"]
    columns = whole_number(int(parameters["num_feature"]), "num_feature", 0)
    classes = whole_number(int(parameters["num_class"]), "num_class", 0)
    targets = whole_number(int(parameters.get("num_target", 1)), "num_target", 0)
    groups = max(classes, targets, 1)
    scores = str(parameters["base_score"]).strip("[]").split(",")
    ensure(len(scores) in (1, groups), "base_score has the wrong length")
    _check_objective(learner["objective"], classes)
    _check_gradient_booster(learner["gradient_booster"], columns, groups)


def _check_objective(objective: JSONMapping, classes: int) -> None:
    own = objective.get("softmax_multiclass_param", {}).get("num_class", classes)
    ensure(int(own) == classes, "its objective has the wrong number of classes")


def _check_gradient_booster(booster: JSONMapping, columns: int, groups: int) -> None:
    name = booster.get("name")
    ensure(name in ("gbtree", "dart", "gblinear"), "its booster is unknown")
    if name == "gblinear":
        weights = booster["model"]["weights"]
        ensure(len(weights) == (columns + 1) * groups, "weights has the wrong length")
        return
    model = (booster["gbtree"] if name == "dart" else booster)["model"]
    trees = model["trees"]
    if name == "dart":
        ensure(len(booster["weight_drop"]) == len(trees), "weight_drop has the wrong length")
    count = int(model["gbtree_model_param"]["num_trees"])
    ensure(count == len(trees) == len(model["tree_info"]), "it has the wrong number of trees")
    check_indices(np.array(model["tree_info"], dtype=np.int64), groups, "tree_info")
    _check_iterations(np.array(model.get("iteration_indptr", (0, count)), dtype=np.int64), count)
    for tree in trees:
        _check_xgboost_tree(tree, columns, groups)


def _check_iterations(starts: Array, count: int) -> None:
    is_sorted = len(starts) and starts[0] == 0 and (np.diff(starts) >= 0).all()
    ensure(is_sorted and starts[-1] == count, "iteration_indptr does not match its trees")


def _check_xgboost_tree(tree: JSONMapping, columns: int, groups: int) -> None:
    parameters = tree["tree_param"]
    count = whole_number(int(parameters["num_nodes"]), "num_nodes", 1)
    width = whole_number(int(parameters.get("size_leaf_vector", 1)), "size_leaf_vector", 0)
    ensure(width in (0, 1, groups), "its leaves have the wrong number of values")
    own = whole_number(int(parameters["num_feature"]), "num_feature of a tree", 0, columns)
    for name in ("left_children", "right_children", "parents", "split_indices", "default_left"):
        check_shape(np.asarray(tree[name]), (count,), name)
        ensure(np.asarray(tree[name]).dtype.kind in "iub", f"{name} are not whole numbers")
    for name in ("split_conditions", "loss_changes", "sum_hessian"):
        ensure(len(tree[name]) in (count, count * max(width, 1)), f"{name} has the wrong length")
    left, right = (np.asarray(tree[name]) for name in ("left_children", "right_children"))
    splits = np.flatnonzero(left != -1)
    _check_children(left[splits], right[splits], count)
    _check_parents(np.asarray(tree["parents"]), left[splits], right[splits], splits)
    check_indices(np.asarray(tree["split_indices"])[splits], max(own, columns), "split_indices")
    _check_categories(tree, splits, count)


def _check_children(left: Array, right: Array, count: int) -> None:
    """Check that each search from the first node ends at a leaf.

    No node has two parents, and the first has none, so no node on the way occurs twice.
    """
    children = np.concatenate([left, right]).astype(np.int64)
    check_indices(children, count, "the children of its nodes")
    parents = np.bincount(children, minlength=1)
    ensure(parents[0] == 0 and parents.max() <= 1, "a node has two parents")


def _check_parents(parents: Array, left: Array, right: Array, splits: Array) -> None:
    """Check that each child refers to its parent, and no node to one that does not exist."""
    fits = (parents[left] == splits) & (parents[right] == splits)
    ensure(fits.all(), "the parents of its nodes do not match their children")
    exist = (parents >= 0) & (parents < len(parents))
    ensure((exist | np.isin(parents, _NO_PARENT)).all(), "the parent of a node does not exist")


def _check_categories(tree: JSONMapping, splits: Array, count: int) -> None:
    categories, kinds = np.asarray(tree["categories"]), np.asarray(tree.get("split_type", ()))
    check_indices(categories, _MAX_CATEGORY, "categories")
    nodes = check_indices(tree["categories_nodes"], count, "categories_nodes")
    starts, sizes = (np.asarray(tree[f"categories_{name}"]) for name in ("segments", "sizes"))
    ensure(starts.shape == sizes.shape == nodes.shape, "categories_segments has the wrong length")
    check_indices(starts, len(categories) + 1, "categories_segments")
    check_indices(sizes, len(categories) + 1, "categories_sizes")
    ensure((starts + sizes <= len(categories)).all(), "categories_sizes is too large")
    ensure(len(kinds) in (0, count), "split_type has the wrong length")
    on_categories = splits[kinds[splits] != 0] if len(kinds) else splits[:0]
    ensure(np.isin(on_categories, nodes).all(), "a split has no categories")


# -- LightGBM


def _check_lightgbm(state: State) -> None:
    text = state.get("_handle", state.get("handle"))
    if text is None:
        return
    ensure(isinstance(text, str), "its model is not a text")
    start = text.find("Tree=")
    header = _entries(text[: start if start >= 0 else len(text)])
    columns = whole_number(int(header["max_feature_idx"]), "max_feature_idx", 0) + 1
    classes = whole_number(int(header["num_class"]), "num_class", 1, 2**20)
    each = whole_number(int(header["num_tree_per_iteration"]), "num_tree_per_iteration", 1, 2**20)
    ensure(each in (1, classes), "num_tree_per_iteration is neither 1 nor num_class")
    own = _OBJECTIVE_CLASSES.search(header.get("objective", ""))
    ensure(own is None or int(own[1]) == classes, "its objective has the wrong number of classes")
    for name in ("feature_names", "feature_infos"):
        ensure(len(header[name].split()) == columns, f"{name} has the wrong length")
    blocks = _blocks(text, start, [int(size) for size in header.get("tree_sizes", "").split()])
    ensure(len(blocks) % each == 0, "an iteration has too few trees")
    for block in blocks:
        _check_lightgbm_tree(_entries(block), columns)


def _entries(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.split("\n") if "=" in line)
    entries: dict[str, str] = {}
    for name, _, value in lines:
        ensure(name not in entries, f"{name[:40]!r} occurs twice")
        entries[name] = value.strip()
    return entries


def _blocks(text: str, start: int, sizes: Sequence[int]) -> list[str]:
    """Return the texts of the trees; the library jumps to them by their sizes."""
    data = text.encode()
    position = len(text[: max(start, 0)].encode())
    blocks = []
    for size in sizes:
        ensure(0 < size <= len(data) - position, "tree_sizes is larger than its text")
        blocks.append(data[position : position + size].decode())
        position += size
    ensure(all(b.startswith("Tree=") for b in blocks), "tree_sizes does not match its trees")
    rest = data[position:].decode()
    ensure("Tree=" not in rest.partition("end of trees")[0], "tree_sizes leaves out a tree")
    return blocks


def _check_lightgbm_tree(tree: Mapping[str, str], columns: int) -> None:
    leaves = whole_number(int(tree["num_leaves"]), "num_leaves", 1)
    categories = whole_number(int(tree["num_cat"]), "num_cat", 0)
    left, right, kinds, features = (
        _numbers(tree.get(name, ""), np.int64)
        for name in ("left_child", "right_child", "decision_type", "split_feature")
    )
    thresholds = _numbers(tree.get("threshold", ""), np.float64)
    for numbers in (left, right, kinds, features, thresholds):
        check_shape(numbers, (leaves - 1,), "an array of its splits")
    check_shape(_numbers(tree["leaf_value"], np.float64), (leaves,), "leaf_value")
    _check_leaves(left, right, leaves)
    check_indices(features, columns, "split_feature")
    on_sets = thresholds[kinds & 1 != 0]
    ensure(((on_sets >= 0) & (on_sets < categories)).all(), "a split has no categories")
    if categories:
        ends = _numbers(tree["cat_boundaries"], np.int64)
        words = len(_numbers(tree["cat_threshold"], np.int64))
        check_shape(ends, (categories + 1,), "cat_boundaries")
        ensure(ends[0] >= 0 and (np.diff(ends) >= 0).all(), "cat_boundaries decreases")
        ensure(ends[-1] <= words, "cat_threshold is too short")
    if int(tree.get("is_linear", 0)):
        _check_linear_leaves(tree, leaves, columns)


def _check_leaves(left: Array, right: Array, leaves: int) -> None:
    """Check that each split and each leaf has one parent; a leaf is the negative ``~index``."""
    children = np.concatenate([left, right])
    _check_children(children[children >= 0], children[:0], leaves - 1)
    ends = check_indices(~children[children < 0], leaves, "its leaves")
    ensure(not ends.size or np.bincount(ends).max() <= 1, "a leaf has two parents")


def _check_linear_leaves(tree: Mapping[str, str], leaves: int, columns: int) -> None:
    counts = _numbers(tree["num_features"], np.int64)
    check_shape(counts, (leaves,), "num_features")
    features = _numbers(tree.get("leaf_features", ""), np.int64)
    check_indices(counts, len(features) + 1, "num_features")
    ensure(counts.sum() == len(features), "leaf_features has the wrong length")
    check_indices(features, columns, "leaf_features")
    coefficients = _numbers(tree.get("leaf_coeff", ""), np.float64)
    ensure(len(coefficients) == len(features), "leaf_coeff has the wrong length")
    check_shape(_numbers(tree["leaf_const"], np.float64), (leaves,), "leaf_const")


def _numbers(text: str, dtype: type[np.generic]) -> Array:
    try:
        return np.array(text.split(), dtype=dtype)
    except ValueError as error:
        raise Unsound("its text contains something other than numbers") from error


# -- CatBoost


def _check_catboost(state: State) -> None:
    """Check the header of the buffer; CatBoost itself verifies the rest before it uses it."""
    buffer = state.get("__model")
    if buffer is None:
        return
    data = bytes(buffer)
    ensure(data[:4] == b"CBM1", "its buffer is not a model")
    ensure(int.from_bytes(data[4:8], "little") <= len(data) - 8, "its buffer ends too early")


_BOOSTERS: dict[str, Callable[[State], None]] = {
    "xgboost.core.Booster": _check_xgboost,
    "lightgbm.basic.Booster": _check_lightgbm,
    "catboost.core._CatBoostBase": _check_catboost,
}
BOOSTERS = frozenset(name.partition(".")[0] for name in _BOOSTERS)
