"""Lean forms of ``sklearn.model_selection``."""

from __future__ import annotations

from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.model_selection._search_successive_halving import (
    HalvingGridSearchCV,
    HalvingRandomSearchCV,
)

from flask_skmodels.engines.lean.compiler import Compiler, Methods, lean_form
from flask_skmodels.schema.types import Estimator


@lean_form(GridSearchCV, RandomizedSearchCV, HalvingGridSearchCV, HalvingRandomSearchCV)
def search(estimator: Estimator, compiler: Compiler) -> Methods:
    """The methods of the best estimator."""
    return compiler.methods(estimator.best_estimator_)
