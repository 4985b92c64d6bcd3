"""Lean forms of the encoders of ``sklearn.preprocessing``: a look-up for each value."""

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
from flask_skmodels.engines.lean.containers import Ones, values
from flask_skmodels.schema.frame import DeferredFrame

_Code = TypeVar("_Code")
_DROPPED = -1


class Lookup(Generic[_Code]):
    """What an encoder makes of the values of one feature.

    :param codes: for each category; a category may be nan
    :param unknown: for all other values; None where the encoder refuses them
    """

    __slots__ = ("_codes", "_nan", "_unknown")

    def __init__(self, codes: Sequence[tuple[Any, _Code]], unknown: _Code | None) -> None:
        self._codes: Mapping[Any, _Code] = {key: code for key, code in codes if key == key}
        self._nan = next((code for key, code in codes if key != key), unknown)
        self._unknown = unknown

    def __call__(self, value: Any) -> _Code:
        """Return what stands for a value.

        :raises Decline: the encoder refuses it
        """
        code = self._codes.get(value)
        if code is None:
            code = self._nan if value != value else self._unknown
            if code is None:
                raise Decline("a category is not known")
        return code


Lookups = Sequence[Lookup[Any]]


@lean_form(OneHotEncoder)
def one_hot_encoder(encoder: OneHotEncoder, compiler: Compiler) -> Methods:
    if np.dtype(encoder.dtype) != np.float64:
        raise Decline("its output is of another dtype than float64")
    lookups, start = [], 0
    for place, width in enumerate(encoder._n_features_outs):
        lookups.append(_one_hot(encoder, place, start))
        start += int(width)
    coded = encoded(lookups)
    if encoder.sparse_output:
        return {"transform": lambda X: Ones(coded(X), start)}
    return {"transform": lambda X: Ones(coded(X), start).dense()}


def _one_hot(encoder: OneHotEncoder, place: int, start: int) -> Lookup[int]:
    categories = encoder.categories_[place].tolist()
    grouped = _grouped(encoder, place)
    drops = encoder._drop_idx_after_grouping
    drop = None if drops is None else drops[place]

    def column(code: int) -> int:
        code = code if grouped is None else int(grouped[code])
        if drop is None or code < drop:
            return start + code
        return _DROPPED if code == drop else start + code - 1

    codes = [(category, column(code)) for code, category in enumerate(categories)]
    unknown: int | None = None if encoder.handle_unknown == "error" else _DROPPED
    if grouped is not None and encoder.handle_unknown in ("infrequent_if_exist", "warn"):
        unknown = column(int(encoder._infrequent_indices[place][0]))
    return Lookup(codes, unknown)


def _grouped(encoder: Any, place: int) -> NDArray[np.int64] | None:
    """Return for each category its code once the rare ones are one; None where none is rare."""
    if not encoder._infrequent_enabled:
        return None
    codes: NDArray[np.int64] | None = encoder._default_to_infrequent_mappings[place]
    return codes


@lean_form(OrdinalEncoder)
def ordinal_encoder(encoder: OrdinalEncoder, compiler: Compiler) -> Methods:
    dtype = np.dtype(encoder.dtype)
    lookups = [_ordinal(encoder, place) for place in range(len(encoder.categories_))]
    coded = encoded(lookups)
    return {"transform": lambda X: np.array(coded(X), dtype=dtype)}


def _ordinal(encoder: OrdinalEncoder, place: int) -> Lookup[float]:
    missing = encoder._missing_indices.get(place)
    grouped = _grouped(encoder, place)

    def number(code: int) -> float:
        if code == missing:
            return encoder.encoded_missing_value  # type: ignore[no-any-return]
        return code if grouped is None else int(grouped[code])

    categories = encoder.categories_[place].tolist()
    codes = [(category, number(code)) for code, category in enumerate(categories)]
    return Lookup(codes, encoder.unknown_value)


@lean_form(TargetEncoder)
def target_encoder(encoder: TargetEncoder, compiler: Compiler) -> Methods:
    if encoder.target_type_ == "multiclass":
        return {"transform": _by_class(encoder)}
    means = float(encoder.target_mean_)
    lookups = [
        Lookup(list(zip(categories.tolist(), codes.tolist(), strict=True)), means)
        for categories, codes in zip(encoder.categories_, encoder.encodings_, strict=True)
    ]
    coded = encoded(lookups)
    return {"transform": lambda X: np.array(coded(X), dtype=np.float64)}


def _by_class(encoder: TargetEncoder) -> Callable[[Any], NDArray[np.float64]]:
    count = len(encoder.classes_)
    lookups = [
        Lookup(
            [
                (category, tuple(float(each[code]) for each in _of(encoder, place, count)))
                for code, category in enumerate(categories.tolist())
            ],
            tuple(encoder.target_mean_.tolist()),
        )
        for place, categories in enumerate(encoder.categories_)
    ]
    coded = encoded(lookups)

    def transform(X: Any) -> NDArray[np.float64]:
        rows = [[number for codes in row for number in codes] for row in coded(X)]
        return np.array(rows, dtype=np.float64)

    return transform


def _of(encoder: TargetEncoder, place: int, count: int) -> Sequence[NDArray[np.float64]]:
    """Return the encodings of a feature, one array a class."""
    found: Sequence[NDArray[np.float64]] = encoder.encodings_[place * count : (place + 1) * count]
    return found


def encoded(lookups: Lookups) -> Callable[[Any], Sequence[Sequence[Any]]]:
    """Return what looks up the values of X, row by row.

    :param lookups: one for each feature
    """

    def of(X: Any) -> Sequence[Sequence[Any]]:
        if type(X) is DeferredFrame and X.row is not None:
            return _of_row(lookups, X.row, X.fields.missing)
        if isinstance(X, np.ndarray) and X.dtype.kind == "f":
            finite_or_missing(X)
        columns = values(X)
        return list(
            zip(
                *(
                    [lookup(value) for value in column]
                    for lookup, column in zip(lookups, columns, strict=True)
                ),
                strict=True,
            )
        )

    return of


def _of_row(
    lookups: Lookups, row: Sequence[Any], missing: Sequence[Any]
) -> Sequence[Sequence[Any]]:
    return [
        [
            lookup(gap if value is None else value)
            for lookup, value, gap in zip(lookups, row, missing, strict=True)
        ]
    ]
