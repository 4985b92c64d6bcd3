"""Lean forms of ``sklearn.calibration``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.calibration import CalibratedClassifierCV, _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression

from flask_skmodels.engines.lean.compiler import Call, Compiler, Methods, finite, lean_form
from flask_skmodels.engines.lean.response_values import response_of


@lean_form(CalibratedClassifierCV)
def calibrated_classifier(estimator: CalibratedClassifierCV, compiler: Compiler) -> Methods:
    """The mean of what its calibrated classifiers say."""
    parts = [_calibrated(part, compiler) for part in estimator.calibrated_classifiers_]
    classes = estimator.classes_

    def predict_proba(X: Any) -> Any:
        total = np.zeros((len(X), len(classes)))
        for part in parts:
            total += part(X)
        total /= len(parts)
        return total

    return {
        "predict": lambda X: classes.take(predict_proba(X).argmax(axis=1)),
        "predict_proba": predict_proba,
    }


def _calibrated(part: Any, compiler: Compiler) -> Call:
    """Return the calibrated probabilities of one classifier."""
    methods = compiler.methods(part.estimator)
    asked = "decision_function" if "decision_function" in methods else "predict_proba"
    response = response_of(part.estimator, methods, asked)
    if part.method == "temperature":
        probabilities = _tempered(part, asked)
    else:
        probabilities = _by_class(part, [_curve_of(each) for each in part.calibrators])

    def calibrated(X: Any) -> Any:
        scores = response(X)
        shares = probabilities(scores.reshape(-1, 1) if scores.ndim == 1 else scores)
        shares[(shares > 1.0) & (shares <= 1.0 + 1e-5)] = 1.0
        return shares

    return calibrated


def _by_class(part: Any, curves: Sequence[Call]) -> Call:
    """Return what puts the scores of each class on its curve, and makes the sums one."""
    count = len(part.classes)
    places = np.searchsorted(part.classes, part.estimator.classes_) + (count == 2)

    def probabilities(scores: NDArray[np.float64]) -> Any:
        shares = np.zeros((len(scores), count))
        for place, curve, column in zip(places, curves, scores.T, strict=False):
            shares[:, place] = curve(column)
        if count == 2:
            shares[:, 0] = 1.0 - shares[:, 1]
            return shares
        sums = shares.sum(axis=1)[:, np.newaxis]
        return np.divide(shares, sums, out=np.full_like(shares, 1 / count), where=sums != 0)

    return probabilities


def _curve_of(calibrator: Any) -> Call:
    """Return what makes probabilities of the scores of one class."""
    if type(calibrator) is _SigmoidCalibration:
        slope, shift = calibrator.a_, calibrator.b_
        return lambda scores: expit(-(slope * scores + shift))
    if type(calibrator) is IsotonicRegression and calibrator.out_of_bounds == "clip":
        return _steps_of(calibrator)
    own: Call = calibrator.predict
    return own


def _steps_of(calibrator: IsotonicRegression) -> Call:
    low, high, curve = calibrator.X_min_, calibrator.X_max_, calibrator.f_
    dtype = calibrator.X_thresholds_.dtype

    def steps(scores: NDArray[np.float64]) -> Any:
        within = np.clip(finite(scores).astype(dtype, copy=False), low, high)
        return curve(within).astype(dtype, copy=False)

    return steps


def _tempered(part: Any, asked: str) -> Call:
    """Return what divides the scores of all classes by one temperature."""
    predict: Call = part.calibrators[0].predict
    is_one = len(part.classes) == 2 and asked == "predict_proba"

    def probabilities(scores: NDArray[np.float64]) -> Any:
        if is_one and scores.shape[1] == 1:
            scores = np.concatenate([1 - scores, scores], axis=1)
        return predict(scores)

    return probabilities
