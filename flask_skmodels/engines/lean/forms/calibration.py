"""Lean forms of ``sklearn.calibration``."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, finite, lean_form
from flask_skmodels.engines.lean.response_values import response_values
from flask_skmodels.schema.types import Estimator, FloatArray, ModelInput, ModelOutput

# A function that converts scores, of shape (rows,) or (rows, classes), to probabilities.
Calibrator = Callable[[FloatArray], FloatArray]


@lean_form(CalibratedClassifierCV)
def calibrated_classifier(estimator: CalibratedClassifierCV, compiler: Compiler) -> Methods:
    """The mean of the probabilities of the calibrated classifiers."""
    parts = [_calibrated(part, compiler) for part in estimator.calibrated_classifiers_]
    classes = estimator.classes_

    def predict_proba(X: ModelInput) -> ModelOutput:
        total = np.zeros((len(X), len(classes)))
        for part in parts:
            total += part(X)
        total /= len(parts)
        return total

    return {
        "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
    }


def _calibrated(part: Estimator, compiler: Compiler) -> Call:
    """Return the ``predict_proba`` of one calibrated classifier."""
    methods = compiler.methods(part.estimator)
    method = "decision_function" if "decision_function" in methods else "predict_proba"
    response = response_values(part.estimator, methods, method)
    if part.method == "temperature":
        calibrate = _temperature(part, method)
    else:
        calibrate = _calibrators(part, [_calibrator(each) for each in part.calibrators])

    def predict_proba(X: ModelInput) -> ModelOutput:
        scores = response(X)
        probabilities = calibrate(scores.reshape(-1, 1) if scores.ndim == 1 else scores)
        probabilities[(probabilities > 1.0) & (probabilities <= 1.0 + 1e-5)] = 1.0
        return probabilities

    return predict_proba


def _calibrators(part: Estimator, calibrators: Sequence[Calibrator]) -> Calibrator:
    """Return a function that calibrates the scores of each class and normalizes their sum to 1."""
    count = len(part.classes)
    indices = np.searchsorted(part.classes, part.estimator.classes_) + (count == 2)

    def calibrate(scores: FloatArray) -> FloatArray:
        probabilities = np.zeros((len(scores), count))
        for index, calibrator, column in zip(indices, calibrators, scores.T, strict=False):
            probabilities[:, index] = calibrator(column)
        if count == 2:
            probabilities[:, 0] = 1.0 - probabilities[:, 1]
            return probabilities
        sums = probabilities.sum(axis=1)[:, np.newaxis]
        normalized: FloatArray = np.full_like(probabilities, 1 / count)
        np.divide(probabilities, sums, out=normalized, where=sums != 0)
        return normalized

    return calibrate


def _calibrator(calibrator: Estimator) -> Calibrator:
    """Return a function that converts the scores of one class to probabilities."""
    if type(calibrator) is _SigmoidCalibration:
        slope, intercept = calibrator.a_, calibrator.b_
        return lambda scores: expit(-(slope * scores + intercept))
    if type(calibrator) is IsotonicRegression and calibrator.out_of_bounds == "clip":
        return _isotonic(calibrator)
    native: Calibrator = calibrator.predict
    return native


def _isotonic(calibrator: IsotonicRegression) -> Calibrator:
    low, high, interpolate = calibrator.X_min_, calibrator.X_max_, calibrator.f_
    dtype = calibrator.X_thresholds_.dtype

    def predict(scores: FloatArray) -> FloatArray:
        clipped = np.clip(finite(scores).astype(dtype, copy=False), low, high)
        probabilities: FloatArray = interpolate(clipped).astype(dtype, copy=False)
        return probabilities

    return predict


def _temperature(part: Estimator, method: str) -> Calibrator:
    """Return a function that divides the scores of all classes by one temperature."""
    predict: Calibrator = part.calibrators[0].predict
    is_binary_probability = len(part.classes) == 2 and method == "predict_proba"

    def calibrate(scores: FloatArray) -> FloatArray:
        if is_binary_probability and scores.shape[1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        return predict(scores)

    return calibrate
