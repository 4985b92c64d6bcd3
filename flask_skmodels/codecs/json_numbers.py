"""JSON of plain numbers, from its bytes to arrays without a look at each, best with ``fast``.

It takes what it can be sure of and leaves everything else to the ordinary way, which says what is
wrong with it.
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
from numpy.typing import NDArray

from flask_skmodels.schema.rows import EXACT, count_byte

LEAST_BYTES = 2048  # below, the ordinary way is as fast
MOST_KEPT = 8 * 2**20  # bytes of a body for which a thread's parser keeps its buffers
MOST_COLUMNS = 1024  # the parser goes through all names for each
# What the parser raises where the document is no JSON, or of other things than plain numbers.
_OTHERWISE = (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)
_LITERALS = (b"t", b"f", b"n")  # true, false and null each have one of them
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_kept = threading.local()  # the parser of a thread
_IS_INSTALLED = find_spec("simdjson") is not None


def read_matrix(body: bytes, width: int) -> NDArray[np.float64] | None:
    """Return the array of arrays that a JSON document is.

    Without the extra ``fast`` it is made of what the ordinary parser reads, which still saves the
    look at each value.

    :param body: the document
    :param width: how many numbers each row must have
    :returns: of shape (rows, width), integers as doubles; None where it is anything else
    """
    if b"{" in body or not _is_worth_it(body):
        return None
    read = _matrix_of_buffer if _IS_INSTALLED else _matrix_of_lists
    try:
        return read(body, width)
    except _OTHERWISE:
        return None


def _matrix_of_buffer(body: bytes, width: int) -> NDArray[np.float64] | None:
    document = _parsed(body)
    lengths = list(map(len, document))
    # The parser makes one array of nested ones as well, so their number is counted.
    if set(lengths) != {width} or count_byte(body, b"[") != len(lengths) + 1:
        return None
    return _numbers(document).reshape(len(lengths), width)


def _matrix_of_lists(body: bytes, width: int) -> NDArray[np.float64] | None:
    if b'"' in body or any(mark in body for mark in _LITERALS):
        return None
    rows = orjson.loads(body)
    if set(map(type, rows)) != {list} or set(map(len, rows)) != {width}:
        return None
    return _listed(chain.from_iterable(rows), len(rows) * width).reshape(-1, width)


def read_columns(body: bytes, name: str) -> dict[str, NDArray[np.float64]] | None:
    """Return the arrays by name that a JSON document holds under a name, and nothing else.

    :param body: the document
    :param name: under which they are
    :returns: for each name its numbers, integers as doubles; None where it is anything else
    """
    if not _is_worth_it(body):
        return None
    arrays = count_byte(body, b"[")
    if arrays > MOST_COLUMNS or not (_IS_INSTALLED or _has_names_alone(body, arrays + 1)):
        return None
    read = _columns_of_buffers if _IS_INSTALLED else _columns_of_lists
    try:
        pairs = read(body, name)
    except _OTHERWISE:
        return None
    found = dict(pairs)
    return found if found and len(found) == len(pairs) == arrays else None


def _columns_of_buffers(body: bytes, name: str) -> list[tuple[str, NDArray[np.float64]]]:
    document = _parsed(body)
    columns = document[name] if list(document) == [name] else {}
    return [(key, _numbers(columns[key])) for key in columns]


def _columns_of_lists(body: bytes, name: str) -> list[tuple[str, NDArray[np.float64]]]:
    document = orjson.loads(body)
    columns = document[name] if list(document) == [name] else {}
    return [(key, _listed(column, len(column))) for key, column in columns.items()]


def _has_names_alone(body: bytes, count: int) -> bool:
    """Return whether a body has quotes for some names, and no literal outside of these."""
    if b"\\" in body or count_byte(body, b'"') != 2 * count:
        return False
    return not any(mark in part for part in body.split(b'"')[::2] for mark in _LITERALS)


def _listed(numbers: Iterable[float], count: int) -> NDArray[np.float64]:
    return _exact(np.fromiter(numbers, np.float64, count))


def _is_worth_it(body: bytes) -> bool:
    return len(body) >= LEAST_BYTES and not body.startswith(_BYTE_ORDER_MARK)


def _parsed(body: bytes) -> Any:
    """Return a document, by the parser of this thread unless that would hold much memory for it.

    A parser's buffers are some ten times as long as the body; where they are new for each request
    the allocator may give them back to the kernel each time, and it takes twice as long.
    """
    if len(body) > MOST_KEPT:
        return import_module("simdjson").Parser().parse(body)
    if not hasattr(_kept, "parser"):
        _kept.parser = import_module("simdjson").Parser()
    return _kept.parser.parse(body)


def _numbers(array: Any) -> NDArray[np.float64]:
    return _exact(np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64))


def _exact(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(numbers) and max(numbers.max(), -numbers.min()) >= EXACT:
        raise OverflowError("what was an integer may have been rounded")
    return numbers
