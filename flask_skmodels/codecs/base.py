"""What a codec is, and the outputs of an estimator in plain kinds."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, ClassVar, Protocol

import numpy as np

from flask_skmodels.rows import Rows
from flask_skmodels.runner import Prediction, is_multi_output
from flask_skmodels.schema import Cleaner


class Source(Protocol):
    """The body of a request."""

    @property
    def data(self) -> bytes:
        """The bytes as they were sent."""

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        """The names and values of a form."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the content type, such as ``header`` of ``text/csv``."""


class Codec(ABC):
    """A media type: how rows are read from it and how a prediction is written in it.

    :cvar media_type: the type that it writes, sent as ``Content-Type``
    :cvar reads: the types that it reads
    """

    media_type: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()

    def decode(self, source: Source, schema: Cleaner) -> Rows:
        """Return the rows that a body says.

        :param source: the body
        :param schema: the fields that the model takes
        :raises InvalidInput: the body cannot be read
        """
        raise NotImplementedError

    def encode(self, prediction: Prediction) -> bytes:
        """Return a complete prediction as a body."""
        raise NotImplementedError


def plain_outputs(outputs: Any) -> Any:
    """Return what an estimator returned as nested lists, or as an array that lists them.

    Sparse matrices become dense, floats doubles (the exact value of a narrower one), data frames
    arrays. Several outputs stay a list with one entry for each.

    :param outputs: array, sparse matrix, data frame or list, or a list of arrays
    :returns: a C-ordered array of numbers or booleans, or nested lists of anything else
    """
    if is_multi_output(outputs):
        return [plain_outputs(part) for part in outputs]
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    if hasattr(outputs, "to_numpy"):
        outputs = outputs.to_numpy()
    array = np.asarray(outputs)
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float64)
    if array.dtype.kind in "iub":
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.dtype.kind in "mM":  # finer than microseconds, numpy lists them as integers
        array = array.astype(f"{array.dtype.kind}8[us]")
    return _plain(array.tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return plain_outputs(value).tolist()
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)
