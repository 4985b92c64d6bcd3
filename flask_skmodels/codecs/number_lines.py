"""Arrays of numbers as lines of text: written by orjson, with floats as ``repr`` writes them."""

from __future__ import annotations

import re

import numpy as np
import orjson

from flask_skmodels.schema.types import Array, ModelOutput

_EXPONENT = re.compile(rb"e(-?)(\d+)")
_SMALL = re.compile(rb"(?<![\d.])0\.0000([1-9])(\d*)")  # repr writes 0.00001 with an exponent
_SMALL_START, _SMALL_END = 1e-5, 1e-4


def number_lines(outputs: ModelOutput, missing: bytes, end: bytes) -> bytes | None:
    """Return an array of numbers as text: one line for each row, with commas between the values.

    :param outputs: the outputs of an estimator
    :param missing: the text of ``nan``
    :param end: the end of each line
    :returns: None for anything but an array of one or two dimensions of finite numbers or ``nan``
    """
    if not isinstance(outputs, np.ndarray) or outputs.dtype.kind not in "fiu":
        return None
    if not 0 < outputs.ndim <= 2 or not outputs.size or np.isinf(outputs).any():
        return None
    is_float = outputs.dtype.kind == "f"
    rows = np.ascontiguousarray(outputs, np.float64 if is_float else outputs.dtype)
    between = b"," if rows.ndim == 1 else b"],["
    text = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)[rows.ndim : -rows.ndim]
    lines = text.replace(between, end) + end
    return _as_repr(lines, rows, missing) if is_float else lines


def _as_repr(lines: bytes, rows: Array, missing: bytes) -> bytes:
    """Return lines of floats with each exponent as ``repr`` writes it."""
    sizes = np.abs(rows)
    if b"e" in lines:
        lines = _EXPONENT.sub(lambda m: b"e" + (m[1] or b"+") + m[2].zfill(2), lines)
    if ((sizes >= _SMALL_START) & (sizes < _SMALL_END)).any():
        lines = _SMALL.sub(lambda m: m[1] + (b"." + m[2] if m[2] else b"") + b"e-05", lines)
    return lines.replace(b"null", missing) if b"null" in lines else lines
