"""An estimator that loads and then kills the process in ``predict``."""

from __future__ import annotations

import os
from typing import Any

from sklearn.base import BaseEstimator


class AbortsWhenCalled(BaseEstimator):
    """Is fitted, and aborts when it is called. The module is small, so that it is soon imported."""

    n_features_in_ = 2

    def fit(self, X: Any, y: Any = None) -> AbortsWhenCalled:
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> Any:
        os.abort()
