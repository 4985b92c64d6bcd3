"""Plain numbers in JSON, read directly into arrays, without a Python object for each value.

With the extra ``fast`` (pysimdjson), from the bytes to X, a matrix of 100 kB or more is read four
to six times as fast as by ``json_text``, and columns two to three times as fast. Without the extra,
a matrix is read 1.3 to 4 times as fast, and large columns 1.2 times. Any other body is left to
``json_text``, so that its errors are reported as usual.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from itertools import chain
from typing import Any

import numpy as np
import orjson

from flask_skmodels.schema.rows import EXACT, count_byte
from flask_skmodels.schema.types import FloatArray, JSONValue

MIN_BYTES = 2048  # of a body; for shorter ones, json_text is as fast
MAX_KEPT_BYTES = 8 * 2**20  # bytes of a body up to which a thread keeps its parser and buffers
MAX_COLUMNS = 1024  # the parser searches all names for each column
# Raised by the parser if the document is not JSON, or contains anything but plain numbers.
_NOT_NUMBERS = (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)
_LITERALS = (b"t", b"f", b"n")  # each of true, false and null has one of these letters
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_kept = threading.local()  # one parser for each thread
_IS_INSTALLED = find_spec("simdjson") is not None


def read_matrix(body: bytes, width: int) -> FloatArray | None:
    """Read a JSON array of rows of numbers, all of the same length, as a NumPy array.

    :param body: the JSON text
    :param width: the number of values that each row must have
    :returns: an array of shape (rows, width), integers as doubles; None for any other document
    """
    if b"{" in body or not _is_readable(body):
        return None
    read = _matrix_of_buffer if _IS_INSTALLED else _matrix_of_lists
    try:
        return read(body, width)
    except _NOT_NUMBERS:
        return None


def _matrix_of_buffer(body: bytes, width: int) -> FloatArray | None:
    document = _parsed(body)
    lengths = list(map(len, document))
    # The parser would flatten deeper nesting too, so the brackets are counted.
    if set(lengths) != {width} or count_byte(body, b"[") != len(lengths) + 1:
        return None
    return _numbers(document).reshape(len(lengths), width)


def _matrix_of_lists(body: bytes, width: int) -> FloatArray | None:
    if b'"' in body or any(mark in body for mark in _LITERALS):
        return None
    rows = orjson.loads(body)
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {width}:
        return None
    return _array_of(chain.from_iterable(rows), len(rows) * width).reshape(-1, width)


def read_columns(body: bytes, name: str) -> dict[str, FloatArray] | None:
    """Return the columns of numbers that a JSON document has under a name.

    :param body: the JSON text, of an object with this name only
    :param name: the name of the object of columns
    :returns: for each column its numbers, integers as doubles; None for any other document
    """
    if not _is_readable(body):
        return None
    arrays = count_byte(body, b"[")
    if arrays > MAX_COLUMNS or not (_IS_INSTALLED or _has_only_names(body, arrays + 1)):
        return None
    read = _columns_of_buffers if _IS_INSTALLED else _columns_of_lists
    try:
        pairs = read(body, name)
    except _NOT_NUMBERS:
        return None
    columns = dict(pairs)
    return columns if columns and len(columns) == len(pairs) == arrays else None


def _columns_of_buffers(body: bytes, name: str) -> list[tuple[str, FloatArray]]:
    document = _parsed(body)
    columns = document[name] if list(document) == [name] else {}
    return [(key, _numbers(columns[key])) for key in columns]


def _columns_of_lists(body: bytes, name: str) -> list[tuple[str, FloatArray]]:
    document = orjson.loads(body)
    columns = document[name] if list(document) == [name] else {}
    return [(key, _array_of(column, len(column))) for key, column in columns.items()]


def _has_only_names(body: bytes, count: int) -> bool:
    """Return whether a body has exactly this number of names, no other texts and no literals."""
    if b"\\" in body or count_byte(body, b'"') != 2 * count:
        return False
    return not any(mark in part for part in body.split(b'"')[::2] for mark in _LITERALS)


def _array_of(numbers: Iterable[float], count: int) -> FloatArray:
    return _exact(np.fromiter(numbers, np.float64, count))


def _is_readable(body: bytes) -> bool:
    return len(body) >= MIN_BYTES and not body.startswith(_BYTE_ORDER_MARK)


def _parsed(body: bytes) -> JSONValue:
    """Return a document that is parsed by the parser of this thread, or by a new one if it is long.

    The buffers of a parser are about ten times as long as the body. Keeping them halves the time:
    otherwise the allocator may return them to the kernel after each request.
    """
    if len(body) > MAX_KEPT_BYTES:
        return import_module("simdjson").Parser().parse(body)
    if not hasattr(_kept, "parser"):
        _kept.parser = import_module("simdjson").Parser()
    return _kept.parser.parse(body)


def _numbers(array: Any) -> FloatArray:
    return _exact(np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64))


def _exact(numbers: FloatArray) -> FloatArray:
    if len(numbers) and max(numbers.max(), -numbers.min()) >= EXACT:
        raise OverflowError("an integer may have been rounded")
    return numbers
