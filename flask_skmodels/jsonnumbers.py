"""JSON of plain numbers, straight from its bytes to arrays, with the extra ``fast``.

It takes what it can be sure of and leaves everything else to the ordinary way, which says what is
wrong with it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.rows import EXACT, count_byte

LEAST_BYTES = 2048  # below, the ordinary way is as fast
MOST_COLUMNS = 1024  # the parser goes through all names for each
# What the parser raises where the document is no JSON, or of other things than plain numbers.
_OTHERWISE = (AttributeError, KeyError, OverflowError, RuntimeError, TypeError, ValueError)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_IS_INSTALLED = find_spec("simdjson") is not None


def read_matrix(body: bytes, width: int) -> NDArray[np.float64] | None:
    """Return the array of arrays that a JSON document is.

    :param body: the document
    :param width: how many numbers each row must have
    :returns: of shape (rows, width), integers as doubles; None where it is anything else
    """
    if b"{" in body or not _is_worth_it(body):
        return None
    try:
        document = _parsed(body)
        lengths = list(map(len, document))
        # The parser makes one array of nested ones as well, so their number is counted.
        if set(lengths) == {width} and count_byte(body, b"[") == len(lengths) + 1:
            return _numbers(document).reshape(len(lengths), width)
    except _OTHERWISE:
        pass
    return None


def read_columns(body: bytes, name: str) -> dict[str, NDArray[np.float64]] | None:
    """Return the arrays by name that a JSON document holds under a name, and nothing else.

    :param body: the document
    :param name: under which they are
    :returns: for each name its numbers, integers as doubles; None where it is anything else
    """
    if not _is_worth_it(body):
        return None
    arrays = count_byte(body, b"[")
    if arrays > MOST_COLUMNS:
        return None
    try:
        document = _parsed(body)
        if list(document) != [name]:
            return None
        columns = document[name]
        pairs = [(key, _numbers(columns[key])) for key in columns]
    except _OTHERWISE:
        return None
    found = dict(pairs)
    return found if len(found) == len(pairs) == arrays else None


def _is_worth_it(body: bytes) -> bool:
    return _IS_INSTALLED and len(body) >= LEAST_BYTES and not body.startswith(_BYTE_ORDER_MARK)


def _parsed(body: bytes) -> Any:
    return import_module("simdjson").Parser().parse(body)


def _numbers(array: Any) -> NDArray[np.float64]:
    numbers = np.frombuffer(array.as_buffer(of_type="d"), dtype=np.float64)
    if len(numbers) and max(numbers.max(), -numbers.min()) >= EXACT:
        raise OverflowError("what was an integer may have been rounded")
    return numbers
