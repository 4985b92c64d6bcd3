"""Lean forms of ``sklearn.covariance``."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.covariance import EllipticEnvelope

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.schema.types import FloatArray, ModelInput


@lean_form(EllipticEnvelope)
def elliptic_envelope(estimator: EllipticEnvelope, compiler: Compiler) -> Methods:
    center, precision = estimator.location_[np.newaxis, :], estimator.get_precision()
    offset = estimator.offset_

    def score_samples(X: ModelInput) -> FloatArray:
        distances = cdist(finite(doubles(X)), center, "mahalanobis", VI=precision)
        scores: FloatArray = -(np.reshape(distances, (len(X),)) ** 2)
        return scores

    return {
        "predict": lambda X: np.where(score_samples(X) - offset >= 0, 1, -1),
        "decision_function": lambda X: score_samples(X) - offset,
        "score_samples": score_samples,
    }
