"""Tensors of the Open Inference Protocol: from JSON and bytes to arrays, and back.

The binary form is Triton's binary tensor data extension: little-endian, row-major, without padding;
a text is its length as an unsigned 32-bit integer, and its bytes.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import nan, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.errors import InvalidInput
from flask_skmodels.estimators.outputs import plain_outputs

BYTES = "BYTES"
DTYPES = {
    "BOOL": np.dtype("?"),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}
LARGEST_DIMENSION = 2**63 - 1
_LENGTH = struct.Struct("<I")
_KINDS: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}}

Flat = NDArray[Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor.

    :param name: what it is called
    :param datatype: one of the protocol's, ``"FP32"`` and so on
    :param shape: its dimensions
    :param flat: its elements in row-major order: an array of numbers or booleans, or a list of
        texts or of what may be None
    :param content_type: how it is to be understood, ``"base64"`` and so on; empty where not said
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    flat: Flat
    content_type: str = ""


def check_shape(shape: Any, subject: str) -> tuple[int, ...]:
    """Return the dimensions of a tensor that a client has sent.

    :param shape: a list of integers
    :param subject: what an error message calls the tensor
    :raises InvalidInput: they are not one or two, or negative or too large
    """
    if not isinstance(shape, list) or len(shape) not in {1, 2}:
        raise refused("shape", f"{subject}: shape must be of one or two dimensions")
    if not all(type(size) is int for size in shape):
        raise refused("shape", f"{subject}: shape must be an array of integers")
    if any(size < 0 for size in shape):
        raise refused("shape", f"{subject}: shape has a negative dimension")
    if prod(size for size in shape if size) > LARGEST_DIMENSION:
        raise refused("shape", f"{subject}: shape is too large")
    return tuple(shape)


def read_json(data: Any, datatype: str, shape: Sequence[int], subject: str) -> Flat:
    """Return the elements of a tensor whose data are JSON, flat or nested.

    :param data: what ``data`` holds
    :raises InvalidInput: they do not fit the datatype or the shape
    """
    if datatype == "FP16":
        raise refused("datatype", f"{subject}: FP16 can be sent as binary data alone")
    if datatype == BYTES and isinstance(data, str):
        data = [data]
    if not isinstance(data, list):
        raise refused("data", f"{subject}: data must be an array")
    flat = _flattened(data, shape, subject)
    if datatype == BYTES:
        return _checked(flat, {str}, subject)
    return _numbers(flat, DTYPES[datatype], subject)


def _flattened(data: list[Any], shape: Sequence[int], subject: str) -> list[Any]:
    """Return nested lists flat; they must have the shape, but for dimensions of one."""
    nested = [len(data)]
    while data and type(data[0]) is list:
        lengths = set(map(len, data)) if set(map(type, data)) == {list} else set()
        if len(lengths) != 1:
            raise refused("shape", f"{subject}: data is neither flat nor evenly nested")
        nested.append(lengths.pop())
        data = list(chain.from_iterable(data))
    if len(data) != prod(shape) or (
        len(nested) > 1 and _significant(nested) != _significant(shape)
    ):
        raise refused("shape", f"{subject}: data does not fit its shape")
    return data


def _significant(shape: Iterable[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _checked(flat: list[Any], kinds: set[type], subject: str) -> list[Any]:
    if not set(map(type, flat)) <= kinds | {type(None)}:
        raise refused("data", f"{subject}: data does not fit its datatype")
    return flat


def _numbers(flat: list[Any], dtype: np.dtype[Any], subject: str) -> Flat:
    kinds = set(map(type, _checked(flat, _KINDS[dtype.kind], subject)))
    has_holes = type(None) in kinds
    if dtype.kind == "f":
        return _floats(
            [nan if v is None else v for v in flat] if has_holes else flat, dtype, subject
        )
    if dtype.kind in "iu":
        _check_range([v for v in flat if v is not None] if has_holes else flat, dtype, subject)
    return flat if has_holes else np.array(flat, dtype=dtype)


def _floats(flat: list[Any], dtype: np.dtype[Any], subject: str) -> NDArray[Any]:
    try:
        doubles = np.array(flat, dtype=np.float64)
    except OverflowError:
        raise refused("data", f"{subject}: a number is out of the range of its datatype") from None
    with np.errstate(over="ignore"):  # what becomes infinite is turned down as such
        return doubles.astype(dtype, copy=False)


def _check_range(flat: list[int], dtype: np.dtype[Any], subject: str) -> None:
    limits = np.iinfo(dtype)
    if flat and not (limits.min <= min(flat) and max(flat) <= limits.max):
        raise refused("data", f"{subject}: a number is out of the range of its datatype")


def read_binary(data: memoryview, datatype: str, shape: Sequence[int], subject: str) -> Flat:
    """Return the elements of a tensor whose data are bytes; of numbers they are a view.

    :raises InvalidInput: they do not fit the datatype or the shape
    """
    count = prod(shape)
    if datatype == BYTES:
        return _split_texts(data, count, subject)
    dtype = DTYPES[datatype]
    if count * dtype.itemsize != len(data):
        raise refused("binary_data_size", f"{subject}: binary_data_size does not fit its shape")
    if dtype.kind == "b":
        return _booleans(np.frombuffer(data, dtype=np.uint8), subject)
    return np.frombuffer(data, dtype=dtype)


def _booleans(data: NDArray[np.uint8], subject: str) -> NDArray[np.bool_]:
    if (data > 1).any():
        raise refused("data", f"{subject}: a boolean must be one byte of 0 or 1")
    return data.view(np.bool_)


def _split_texts(data: memoryview, count: int, subject: str) -> list[bytes]:
    found: list[bytes] = []
    place = 0
    while place < len(data) and len(found) < count:
        start = place + _LENGTH.size
        end = start + (_LENGTH.unpack_from(data, place)[0] if start <= len(data) else 0)
        if max(start, end) > len(data):
            break
        found.append(bytes(data[start:end]))
        place = end
    if place != len(data) or len(found) != count:
        raise refused("data", f"{subject}: its binary data are not as many texts as its shape says")
    return found


def texts_of(tensor: Tensor, subject: str) -> list[str | None]:
    """Return the elements of a tensor of texts, unpacked if they are base64.

    What is marked as base64 and is none is taken as it is, as MLServer does.

    :raises InvalidInput: one is not valid UTF-8
    """
    unpack = _unpack_base64 if tensor.content_type == "base64" else bytes
    try:
        return [
            v if v is None or (isinstance(v, str) and unpack is bytes) else unpack(_raw(v)).decode()
            for v in tensor.flat
        ]
    except UnicodeDecodeError:
        raise refused("data", f"{subject}: a text is not valid UTF-8") from None


def _raw(value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)


def _unpack_base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return value


def tensor_of(name: str, outputs: Any) -> Tensor:
    """Return what an estimator returned as a tensor, its numbers as precise as they are.

    :param outputs: one array, sparse matrix, data frame or list; what is none of numbers, booleans
        or texts becomes texts of JSON
    """
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    elif hasattr(outputs, "to_numpy"):
        outputs = outputs.to_numpy()
    if isinstance(outputs, np.ndarray) and outputs.dtype.kind in "biuf":
        dtype = outputs.dtype.newbyteorder("<")
        array = np.ascontiguousarray(outputs, dtype if dtype in DATATYPES else np.float64)
        return Tensor(name, DATATYPES[array.dtype], outputs.shape, array.ravel())
    return _tensor_of_objects(name, outputs)


def _tensor_of_objects(name: str, outputs: Any) -> Tensor:
    rows = plain_outputs(outputs)
    shape = np.shape(outputs) if isinstance(outputs, np.ndarray) else (len(rows),)
    flat = rows if isinstance(rows, list) else rows.tolist()
    for _ in shape[1:]:
        flat = list(chain.from_iterable(flat))
    kinds = set(map(type, flat))
    if kinds == {bool}:
        return Tensor(name, "BOOL", shape, np.array(flat, dtype=np.bool_))
    if kinds == {int} and min(flat) >= -(2**63) and max(flat) < 2**63:
        return Tensor(name, "INT64", shape, np.array(flat, dtype=np.int64))
    if kinds and kinds <= {int, float, type(None)} and float in kinds:
        return Tensor(name, "FP64", shape, np.array(flat, dtype=np.float64))
    texts = [v if isinstance(v, str) else dumps(v).decode() for v in flat]
    return Tensor(name, BYTES, shape, texts)


def in_json(tensor: Tensor) -> Tensor:
    """Return a tensor as it can go into JSON, where FP16 has no form: as FP32."""
    if tensor.datatype != "FP16":
        return tensor
    return replace(tensor, datatype="FP32", flat=np.asarray(tensor.flat, dtype=np.float32))


def write_binary(tensor: Tensor) -> bytes:
    """Return the elements of a tensor as bytes."""
    if isinstance(tensor.flat, np.ndarray):
        return tensor.flat.tobytes()
    raw = [text.encode("utf-8", "replace") for text in tensor.flat]
    return b"".join(chain.from_iterable((_LENGTH.pack(len(text)), text) for text in raw))


def refused(rule: str, message: str) -> InvalidInput:
    """Return the exception for a request that is not as the protocol has it."""
    return InvalidInput.of_request(rule, message)
