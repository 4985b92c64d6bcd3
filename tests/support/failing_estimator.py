"""An estimator that fails."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator


class FailingEstimator(BaseEstimator):
    """A fitted estimator whose predictions raise an exception."""

    def fit(self, X: Any, y: Any = None) -> FailingEstimator:
        self.n_features_in_, self.is_fitted_ = 2, True
        return self

    def predict(self, X: Any) -> Any:
        raise ZeroDivisionError
