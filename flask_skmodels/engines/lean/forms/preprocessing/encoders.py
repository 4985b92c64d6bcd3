"""Lean forms of ``OneHotEncoder``, ``OrdinalEncoder`` and ``TargetEncoder``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    finite_or_missing,
    lean_form,
)
from flask_skmodels.engines.lean.containers import OneHotRows, column_values
from flask_skmodels.engines.lean.installed import HAS_SKLEARN_1_8
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.types import Estimator, FieldValue, FloatArray, ModelInput, Values

_Code = TypeVar("_Code")
_DROPPED = -1
_UNKNOWN_AS_INFREQUENT = (
    ("infrequent_if_exist", "warn") if HAS_SKLEARN_1_8 else ("infrequent_if_exist",)
)


class Lookup(Generic[_Code]):
    """The codes of the categories of one feature.

    :param codes: pairs of a category, which may be NaN, and its code
    :param unknown: the code of all other values; None if the encoder refuses other values
    """

    __slots__ = ("_codes", "_nan", "_unknown")

    def __init__(self, codes: Sequence[tuple[FieldValue, _Code]], unknown: _Code | None) -> None:
        self._codes: Mapping[FieldValue, _Code] = {key: code for key, code in codes if key == key}
        self._nan = next((code for key, code in codes if key != key), unknown)
        self._unknown = unknown

    def __call__(self, value: FieldValue) -> _Code:
        """Return the code of a value.

        :raises Decline: the encoder refuses the value
        """
        code = self._codes.get(value)
        if code is None:
            code = self._nan if value != value else self._unknown
            if code is None:
                raise Decline("a category is unknown")
        return code


Lookups = Sequence[Lookup[Any]]


@lean_form(OneHotEncoder)
def one_hot_encoder(encoder: OneHotEncoder, compiler: Compiler) -> Methods:
    if np.dtype(encoder.dtype) != np.float64:
        raise Decline("the dtype of its output is not float64")
    lookups, start = [], 0
    for index, width in enumerate(encoder._n_features_outs):
        lookups.append(_one_hot(encoder, index, start))
        start += int(width)
    codes_of = row_encoder(lookups)
    if encoder.sparse_output:
        return {"transform": lambda X: OneHotRows(codes_of(X), start)}
    return {"transform": lambda X: OneHotRows(codes_of(X), start).to_numpy()}


def _one_hot(encoder: OneHotEncoder, index: int, start: int) -> Lookup[int]:
    categories = encoder.categories_[index].tolist()
    grouped = _grouped(encoder, index)
    drops = encoder._drop_idx_after_grouping
    drop = None if drops is None else drops[index]

    def column(code: int) -> int:
        code = code if grouped is None else int(grouped[code])
        if drop is None or code < drop:
            return start + code
        return _DROPPED if code == drop else start + code - 1

    codes = [(category, column(code)) for code, category in enumerate(categories)]
    unknown: int | None = None if encoder.handle_unknown == "error" else _DROPPED
    if grouped is not None and encoder.handle_unknown in _UNKNOWN_AS_INFREQUENT:
        unknown = column(int(encoder._infrequent_indices[index][0]))
    return Lookup(codes, unknown)


def _grouped(encoder: Estimator, index: int) -> NDArray[np.int64] | None:
    """Return the code of each category with infrequent ones grouped, None if none is infrequent."""
    if not encoder._infrequent_enabled:
        return None
    codes: NDArray[np.int64] | None = encoder._default_to_infrequent_mappings[index]
    return codes


@lean_form(OrdinalEncoder)
def ordinal_encoder(encoder: OrdinalEncoder, compiler: Compiler) -> Methods:
    dtype = np.dtype(encoder.dtype)
    lookups = [_ordinal(encoder, index) for index in range(len(encoder.categories_))]
    codes_of = row_encoder(lookups)
    return {"transform": lambda X: np.array(codes_of(X), dtype=dtype)}


def _ordinal(encoder: OrdinalEncoder, index: int) -> Lookup[float]:
    missing = encoder._missing_indices.get(index)
    grouped = _grouped(encoder, index)

    def number(code: int) -> float:
        if code == missing:
            return encoder.encoded_missing_value  # type: ignore[no-any-return]
        return code if grouped is None else int(grouped[code])

    categories = encoder.categories_[index].tolist()
    codes = [(category, number(code)) for code, category in enumerate(categories)]
    return Lookup(codes, encoder.unknown_value)


@lean_form(TargetEncoder)
def target_encoder(encoder: TargetEncoder, compiler: Compiler) -> Methods:
    if encoder.target_type_ == "multiclass":
        return {"transform": _multiclass_target(encoder)}
    means = float(encoder.target_mean_)
    lookups = [
        Lookup(list(zip(categories.tolist(), codes.tolist(), strict=True)), means)
        for categories, codes in zip(encoder.categories_, encoder.encodings_, strict=True)
    ]
    codes_of = row_encoder(lookups)
    return {"transform": lambda X: np.array(codes_of(X), dtype=np.float64)}


def _multiclass_target(encoder: TargetEncoder) -> Callable[[ModelInput], FloatArray]:
    count = len(encoder.classes_)
    lookups = [
        Lookup(
            [
                (category, tuple(float(each[code]) for each in _encodings(encoder, index, count)))
                for code, category in enumerate(categories.tolist())
            ],
            tuple(encoder.target_mean_.tolist()),
        )
        for index, categories in enumerate(encoder.categories_)
    ]
    codes_of = row_encoder(lookups)

    def transform(X: ModelInput) -> FloatArray:
        rows = [[number for codes in row for number in codes] for row in codes_of(X)]
        return np.array(rows, dtype=np.float64)

    return transform


def _encodings(encoder: TargetEncoder, index: int, count: int) -> Sequence[FloatArray]:
    """Return the encodings of a feature, one array for each class."""
    start = index * count
    encodings: Sequence[FloatArray] = encoder.encodings_[start : start + count]
    return encodings


def row_encoder(lookups: Lookups) -> Callable[[ModelInput], Sequence[Values]]:
    """Return a function that returns the codes of the values of X, row by row.

    :param lookups: one for each feature
    """

    def encode(X: ModelInput) -> Sequence[Values]:
        if isinstance(X, DeferredFrame) and X.row is not None:
            return _encode_row(lookups, X.row, X.fields.missing)
        if isinstance(X, np.ndarray) and X.dtype.kind == "f":
            finite_or_missing(X)
        columns = column_values(X)
        return list(
            zip(
                *(
                    [lookup(value) for value in column]
                    for lookup, column in zip(lookups, columns, strict=True)
                ),
                strict=True,
            )
        )

    return encode


def _encode_row(lookups: Lookups, row: Values, missing: Values) -> Sequence[Values]:
    return [
        [
            lookup(missing_value if value is None else value)
            for lookup, value, missing_value in zip(lookups, row, missing, strict=True)
        ]
    ]
