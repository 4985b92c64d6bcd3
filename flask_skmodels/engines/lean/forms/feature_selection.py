"""Lean forms of ``sklearn.feature_selection``."""

from __future__ import annotations

from sklearn.feature_selection import (
    RFE,
    RFECV,
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
from sklearn.utils import get_tags

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    finite,
    finite_or_missing,
    lean_form,
)
from flask_skmodels.engines.lean.containers import SparseRows, to_array, to_csr
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(
    GenericUnivariateSelect,
    SelectFdr,
    SelectFpr,
    SelectFromModel,
    SelectFwe,
    SelectKBest,
    SelectPercentile,
    SequentialFeatureSelector,
    VarianceThreshold,
)
def selector(selector: Estimator, compiler: Compiler) -> Methods:
    return {"transform": _selection(selector)}


@lean_form(RFE, RFECV)
def recursive_feature_elimination(selector: Estimator, compiler: Compiler) -> Methods:
    """Select columns, then call a method of the estimator that was fitted on them."""
    select = _selection(selector)
    inner = compiler.methods(selector.estimator_)
    inner.pop("transform", None)
    chained = {method: _after(select, call) for method, call in inner.items()}
    return chained | {"transform": select}


def _after(select: Call, call: Call) -> Call:
    return lambda X: call(select(X))


def _selection(selector: Estimator) -> Call:
    selected = selector.get_support()
    if not selected.any():
        raise Decline("it selects no columns")
    check = finite_or_missing if get_tags(selector).input_tags.allow_nan else finite

    def select(X: ModelInput) -> ModelOutput:
        if isinstance(X, SparseRows):
            return to_csr(to_sklearn(X)[:, selected])
        X = to_array(X)
        if X.dtype.kind == "f":
            check(X)
        elif X.dtype.kind not in "biu":
            raise Decline("X is not an array of numbers")
        return X[:, selected]

    return select
