"""Lean forms of ``sklearn.compose``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels.engines.lean.compiler import (
    Call,
    Compiler,
    Decline,
    Methods,
    is_finite,
    lean_form,
)
from flask_skmodels.engines.lean.concatenation import concatenate_dense, concatenate_sparse
from flask_skmodels.engines.lean.containers import Csr, SparseRows, to_array
from flask_skmodels.estimators.attributes import is_a
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.tabular import Tabular
from flask_skmodels.schema.types import Estimator, ModelInput, ModelOutput


@lean_form(ColumnTransformer)
def column_transformer(estimator: ColumnTransformer, compiler: Compiler) -> Methods:
    """Select the columns of each transformer, transform them and concatenate the outputs."""
    steps = estimator._iter(
        fitted=True, column_as_labels=False, skip_drop=True, skip_empty_columns=True
    )
    parts = [
        weighted(_part(estimator, name, step, columns, compiler), weight)
        for name, step, columns, weight in steps
    ]
    if not parts:
        raise Decline("it drops all columns")
    concatenate = concatenate_sparse if estimator.sparse_output_ else concatenate_dense
    return {"transform": concatenate(parts)}


@lean_form(TransformedTargetRegressor)
def transformed_target(estimator: TransformedTargetRegressor, compiler: Compiler) -> Methods:
    """The regressor's predictions, converted back by the transformer."""
    call = compiler.methods(estimator.regressor_)["predict"]
    inverse = _inverse(estimator.transformer_)
    squeezes = estimator._training_dim == 1

    def predict(X: ModelInput) -> ModelOutput:
        transformed = call(X)
        y = inverse(transformed.reshape(-1, 1) if transformed.ndim == 1 else transformed)
        return y.squeeze(axis=1) if squeezes and y.shape[1] == 1 else y

    return {"predict": predict}


def _inverse(transformer: Estimator) -> Call:
    """Return the inverse of a transformer; if that is a function, without the checks around it."""
    native: Call = transformer.inverse_transform
    if type(transformer) is not FunctionTransformer:
        return native
    function, arguments = transformer.inverse_func, transformer.inv_kw_args or {}

    def inverse(y: ModelInput) -> ModelOutput:
        if not isinstance(y, np.ndarray) or y.dtype != np.float64 or not is_finite(y):
            return native(y)
        return y if function is None else function(y, **arguments)

    return inverse


def weighted(call: Call, weight: float | None) -> Call:
    """Return a transform whose output is multiplied by its ``transformer_weights`` entry."""
    if weight is None:
        return call

    def transform(X: ModelInput) -> ModelOutput:
        output = call(X)
        if isinstance(output, SparseRows):
            rows = output.to_csr()
            return Csr(rows.data * weight, rows.indices, rows.indptr, rows.shape)
        return to_array(output) * weight

    return transform


def _part(
    estimator: ColumnTransformer, name: str, step: Estimator, columns: Any, compiler: Compiler
) -> Call:
    indices = [int(index) for index in estimator._transformer_to_input_indices[name]]
    if isinstance(columns, str) or np.isscalar(columns):
        return _of_texts(indices[0], step, compiler)
    select = column_selector(indices, columns)
    if isinstance(step, str):
        return select
    if indices != sorted(indices) and any(map(_depends_on_memory_layout, estimators_in(step))):
        raise Decline("a function takes columns in an order that differs from X")
    call = compiler.methods(step)["transform"]
    return lambda X: call(select(X))


def _depends_on_memory_layout(part: Estimator) -> bool:
    """Return whether the memory layout of X may change the last bits of a transformer's output.

    If columns are selected in reverse order, pandas returns them with a negative stride, and
    numpy's functions use another loop for those. scikit-learn's transformers copy them first.
    """
    is_native = type(part).__module__.partition(".")[0] == "sklearn"
    return not is_native or getattr(part, "func", None) is not None


def _of_texts(index: int, step: Estimator, compiler: Compiler) -> Call:
    """Return the transform of a text vectorizer, which gets one column as a list."""
    if not _takes_texts(step):
        raise Decline("a transformer takes a column that is not a table")
    call = compiler.methods(step)["transform"]

    def transform(X: ModelInput) -> ModelOutput:
        if not isinstance(X, DeferredFrame):
            raise Decline("X is not a data frame")
        return call(list(X.column(index)))

    return transform


def _takes_texts(step: Estimator) -> bool:
    """Return whether a step is a vectorizer, or a pipeline that begins with one."""
    while is_a(step, "Pipeline") and step.steps:
        step = step.steps[0][1]
    return is_a(step, "_VectorizerMixin")


def column_selector(indices: Sequence[int], columns: Any) -> Callable[[ModelInput], ModelInput]:
    """Return a function that selects columns of X.

    :param indices: the indices of the columns
    :param columns: the columns as declared in scikit-learn; a slice returns a view of an array
    """
    key = columns if isinstance(columns, slice) else np.array(indices)
    selected = tuple(indices)

    def select(X: ModelInput) -> ModelOutput:
        if isinstance(X, Tabular):
            return X.select(selected)
        if isinstance(X, np.ndarray):
            return X[:, key]
        raise Decline("X is not an array")

    return select
