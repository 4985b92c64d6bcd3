"""An estimator whose calls can be held, for tests of concurrent calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

WAIT = 30  # seconds at most, for what must come


class Gate(BaseEstimator):
    """Doubles its first column, and can be held at its first call; notes what it is called with.

    It is not held before :meth:`close`: a model is called when it is registered.

    :param raises_on: a number that it raises on
    :param loses: whether it returns one entry too few for several rows
    """

    def __init__(self, raises_on: float | None = None, *, loses: bool = False) -> None:
        self.raises_on = raises_on
        self.loses = loses

    def fit(self, X: Any, y: Any = None) -> Gate:
        self.n_features_in_ = np.shape(X)[1]
        self.calls_: list[int] = []
        self.entered_ = threading.Event()
        self.opened_ = threading.Event()
        self.opened_.set()
        return self

    def close(self) -> None:
        """Hold the next call, and forget the calls until now."""
        self.calls_.clear()
        self.entered_.clear()
        self.opened_.clear()

    def predict(self, X: Any) -> NDArray[np.float64]:
        values = np.asarray(X, dtype=np.float64)[:, 0]
        self.calls_.append(len(values))
        self.entered_.set()
        assert self.opened_.wait(WAIT)
        if self.raises_on in values.tolist():
            raise RuntimeError("this number is not for me")
        doubled = values * 2
        return doubled[1:] if self.loses and len(doubled) > 1 else doubled

    def predict_proba(self, X: Any) -> list[NDArray[np.float64]]:
        values = self.predict(X)
        return [np.column_stack([values, -values]), np.column_stack([values, values])]


def gate(**options: Any) -> Gate:
    return Gate(**options).fit(np.zeros((1, 1)))


def until(holds: Callable[[], bool]) -> None:
    for _ in range(WAIT * 200):
        if holds():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come")
