"""Lean forms of random forests, extra trees and ``IsolationForest``."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomTreesEmbedding,
)
from sklearn.ensemble._iforest import _average_path_length
from sklearn.utils import get_tags

from flask_skmodels.engines.lean.compiler import Compiler, Decline, Methods, lean_form
from flask_skmodels.engines.lean.containers import OneHotRows
from flask_skmodels.engines.lean.forms.tree import (
    LeafValues,
    classifier_methods,
    float32_converter,
    leaf_probabilities,
    supports_missing_values,
)
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput, ModelOutput


@lean_form(RandomForestClassifier, ExtraTreesClassifier)
def forest_classifier(estimator: Estimator, compiler: Compiler) -> Methods:
    trees, count = estimator.estimators_, len(estimator.estimators_)
    to_float32 = float32_converter(supports_missing_values(trees[0]))
    probabilities = leaf_probabilities(estimator)
    values = [tree.tree_.value for tree in trees]
    if estimator.n_outputs_ == 1:
        values = [value[:, 0] for value in values]
    leaves = LeafValues(trees, values, estimator.n_features_in_)

    def predict_proba(X: ModelInput) -> ModelOutput:
        total = leaves.total(to_float32(X))
        total /= count
        return probabilities(total)

    return classifier_methods(predict_proba, estimator)


@lean_form(RandomForestRegressor, ExtraTreesRegressor)
def forest_regressor(estimator: Estimator, compiler: Compiler) -> Methods:
    trees, count = estimator.estimators_, len(estimator.estimators_)
    to_float32 = float32_converter(supports_missing_values(trees[0]))
    outputs = 0 if estimator.n_outputs_ == 1 else slice(None)
    values = [tree.tree_.value[:, outputs, 0] for tree in trees]
    leaves = LeafValues(trees, values, estimator.n_features_in_)

    def predict(X: ModelInput) -> ModelOutput:
        total = leaves.total(to_float32(X))
        total /= count
        return total

    return {"predict": predict}


@lean_form(IsolationForest)
def isolation_forest(estimator: IsolationForest, compiler: Compiler) -> Methods:
    trees, width, offset = estimator.estimators_, estimator.n_features_in_, estimator.offset_
    to_float32 = float32_converter(get_tags(estimator).input_tags.allow_nan)
    lengths = zip(
        estimator._decision_path_lengths, estimator._average_path_length_per_tree, strict=True
    )
    features = estimator.estimators_features_ if estimator._max_features != width else None
    leaves = LeafValues(trees, [path + mean - 1.0 for path, mean in lengths], width, features)
    denominator = len(trees) * _average_path_length([estimator._max_samples])

    def score_samples(X: ModelInput) -> FloatArray:
        depths: FloatArray = leaves.total(to_float32(X))
        scores: FloatArray = np.ones_like(depths)
        np.divide(depths, denominator, out=scores, where=denominator != 0)
        return -(2**-scores)

    def decision_function(X: ModelInput) -> FloatArray:
        return score_samples(X) - float(offset)

    return {
        "predict": lambda X: np.where(decision_function(X) < 0, -1, 1),
        "decision_function": decision_function,
        "score_samples": score_samples,
    }


@lean_form(RandomTreesEmbedding)
def random_trees_embedding(estimator: RandomTreesEmbedding, compiler: Compiler) -> Methods:
    """For each row, write a one in the column of the leaf that the row reaches in each tree."""
    trees, encoder = estimator.estimators_, estimator.one_hot_encoder_
    if encoder.drop is not None or encoder._infrequent_enabled:
        raise Decline("its encoder drops some leaves of the trees")
    to_float32 = float32_converter(supports_missing_values(trees[0]))
    values, width = [], 0
    for tree, leaves in zip(trees, encoder.categories_, strict=True):
        codes = np.full(tree.tree_.node_count, np.nan)
        codes[leaves] = np.arange(width, width + len(leaves))
        values.append(codes)
        width += len(leaves)
    leaf_codes = LeafValues(trees, values, estimator.n_features_in_)

    def transform(X: ModelInput) -> ModelOutput:
        found = leaf_codes.of_each_tree(to_float32(X)).T
        rows = OneHotRows(found.astype(np.intp).tolist(), width)
        return rows if estimator.sparse_output else rows.to_numpy()

    return {"transform": transform}
