"""Lean forms of ``sklearn.compose``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor

from flask_skmodels.engines.lean.compiler import Call, Compiler, Decline, Methods, lean_form
from flask_skmodels.engines.lean.concatenation import stacked, stacked_sparse
from flask_skmodels.engines.lean.containers import Cells, Csr, Sparse, array
from flask_skmodels.estimators.requirements import parts_of
from flask_skmodels.schema.frame import DeferredFrame


@lean_form(ColumnTransformer)
def column_transformer(estimator: ColumnTransformer, compiler: Compiler) -> Methods:
    """Each transformer's own columns, its transform, and the outputs side by side."""
    steps = estimator._iter(
        fitted=True, column_as_labels=False, skip_drop=True, skip_empty_columns=True
    )
    parts = [
        weighted(_part(estimator, name, step, columns, compiler), weight)
        for name, step, columns, weight in steps
    ]
    if not parts:
        raise Decline("it drops all columns")
    return {"transform": stacked_sparse(parts) if estimator.sparse_output_ else stacked(parts)}


@lean_form(TransformedTargetRegressor)
def transformed_target(estimator: TransformedTargetRegressor, compiler: Compiler) -> Methods:
    """The regressor's own answer, transformed back as scikit-learn does it."""
    call = compiler.methods(estimator.regressor_)["predict"]
    inverse = estimator.transformer_.inverse_transform
    squeezes = estimator._training_dim == 1

    def predict(X: Any) -> Any:
        found = call(X)
        back = inverse(found.reshape(-1, 1) if found.ndim == 1 else found)
        return back.squeeze(axis=1) if squeezes and back.shape[1] == 1 else back

    return {"predict": predict}


def weighted(call: Call, weight: float | None) -> Call:
    """Return a transform whose output is multiplied, as a union of transformers may ask for."""
    if weight is None:
        return call

    def times(X: Any) -> Any:
        found = call(X)
        if type(found) in Sparse:
            rows = found.csr()
            return Csr(rows.data * weight, rows.indices, rows.indptr, rows.shape)
        return array(found) * weight

    return times


def _part(
    estimator: ColumnTransformer, name: str, step: Any, columns: Any, compiler: Compiler
) -> Call:
    places = [int(place) for place in estimator._transformer_to_input_indices[name]]
    if isinstance(columns, str) or np.isscalar(columns):
        return _of_texts(places[0], step)
    take = taker(places, columns)
    if isinstance(step, str):
        return take
    if places != sorted(places) and any(map(_sees_memory, parts_of(step))):
        raise Decline("a function is given columns from the last to the first")
    call = compiler.methods(step)["transform"]
    return lambda X: call(take(X))


def _sees_memory(part: Any) -> bool:
    """Return whether the last bits of what a transformer makes may follow from X's memory layout.

    pandas gives columns backwards in memory where they are asked for so, and numpy's functions have
    another loop for these. scikit-learn's own transformers copy them first.
    """
    is_own = type(part).__module__.partition(".")[0] == "sklearn"
    return not is_own or getattr(part, "func", None) is not None


def _of_texts(place: int, step: Any) -> Call:
    if not hasattr(step, "build_analyzer"):
        raise Decline("a transformer is given a column that is no table")

    def transform(X: Any) -> Any:
        if type(X) is not DeferredFrame:
            raise Decline("X is no table")
        return step.transform(X.column(place))

    return transform


def taker(places: Sequence[int], columns: Any) -> Callable[[Any], Any]:
    """Return what takes some columns of X.

    :param places: which
    :param columns: the same as scikit-learn was told, of whom a slice takes a view
    """
    key = columns if isinstance(columns, slice) else np.array(places)
    indices = tuple(places)

    def take(X: Any) -> Any:
        if type(X) is DeferredFrame:
            return X.select(indices)
        if type(X) is Cells:
            return Cells([X.columns[place] for place in places])
        if isinstance(X, np.ndarray):
            return X[:, key]
        raise Decline("X is neither a table nor an array")

    return take
