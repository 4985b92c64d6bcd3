"""Tensors of the Open Inference Protocol: from JSON and bytes to arrays, and back.

The binary format is Triton's binary tensor data extension: little-endian, row-major and without
padding. A text is its length as an unsigned 32-bit integer, then its bytes.
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
from flask_skmodels.estimators.outputs import plain_outputs
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.schema.types import Array, FieldValue, ModelOutput

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
MAX_DIMENSION = 2**63 - 1
_LENGTH = struct.Struct("<I")
_KINDS: dict[str, set[type]] = {"b": {bool}, "u": {int}, "i": {int}, "f": {int, float}}

Flat = Array | list[FieldValue]

invalid = InvalidInput.of_request


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor.

    :param name: its name
    :param datatype: the protocol's name of its type, ``"FP32"`` and so on
    :param shape: the sizes of its dimensions
    :param flat: its elements in row-major order: an array of numbers or booleans, a list of texts,
        or a list of elements of which some are None
    :param content_type: MLServer's type of its content, such as ``"base64"``; empty if not given
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    flat: Flat
    content_type: str = ""


def tensor_shape(shape: Any, subject: str) -> tuple[int, ...]:
    """Return the shape of a tensor in a request.

    :param shape: a list of integers
    :param subject: name of the tensor in error messages
    :raises InvalidInput: the shape does not have one or two dimensions, or a dimension is negative
        or too large
    """
    if not isinstance(shape, list) or len(shape) not in {1, 2}:
        raise invalid("shape", f"{subject}: shape must have one or two dimensions")
    if not all(type(size) is int for size in shape):
        raise invalid("shape", f"{subject}: shape must be an array of integers")
    if any(size < 0 for size in shape):
        raise invalid("shape", f"{subject}: shape has a negative dimension")
    if prod(size for size in shape if size) > MAX_DIMENSION:
        raise invalid("shape", f"{subject}: shape is too large")
    return tuple(shape)


def read_json_tensor(data: Any, datatype: str, shape: Sequence[int], subject: str) -> Flat:
    """Return the elements of a tensor from JSON.

    :param data: an array, flat or nested; or one text
    :param datatype: the protocol's name of the type
    :param shape: the shape of the tensor
    :param subject: name of the tensor in error messages
    :raises InvalidInput: the data does not match the datatype or the shape
    """
    if datatype == "FP16":
        raise invalid("datatype", f"{subject}: FP16 can only be sent as binary data")
    if datatype == BYTES and isinstance(data, str):
        data = [data]
    if not isinstance(data, list):
        raise invalid("data", f"{subject}: data must be an array")
    flat = _flattened(data, shape, subject)
    if datatype == BYTES:
        _types_of(flat, {str}, subject)
        return flat
    return _numbers(flat, DTYPES[datatype], subject)


def _flattened(data: list[FieldValue], shape: Sequence[int], subject: str) -> list[FieldValue]:
    """Return nested lists as one list; they must have the shape, except for dimensions of one."""
    nested = [len(data)]
    while data and type(data[0]) is list:
        lengths = set(map(len, data)) if set(map(type, data)) == {list} else set()
        if len(lengths) != 1:
            raise invalid("shape", f"{subject}: data is neither flat nor evenly nested")
        nested.append(lengths.pop())
        data = list(chain.from_iterable(data))
    if len(data) != prod(shape) or (
        len(nested) > 1 and _larger_than_one(nested) != _larger_than_one(shape)
    ):
        raise invalid("shape", f"{subject}: data does not match its shape")
    return data


def _larger_than_one(shape: Iterable[int]) -> list[int]:
    return [size for size in shape if size != 1]


def _types_of(flat: list[FieldValue], allowed: set[type], subject: str) -> set[type]:
    """Return the types of elements; each must be None or one of the allowed types."""
    types = set(map(type, flat))
    if not types <= allowed | {type(None)}:
        raise invalid("data", f"{subject}: data does not match its datatype")
    return types


def _numbers(flat: list[FieldValue], dtype: np.dtype[Any], subject: str) -> Flat:
    has_nulls = type(None) in _types_of(flat, _KINDS[dtype.kind], subject)
    if dtype.kind == "f":
        return _floats(
            [nan if v is None else v for v in flat] if has_nulls else flat, dtype, subject
        )
    if dtype.kind in "iu":
        _check_range([v for v in flat if v is not None] if has_nulls else flat, dtype, subject)
    return flat if has_nulls else np.array(flat, dtype=dtype)


def _floats(flat: list[FieldValue], dtype: np.dtype[Any], subject: str) -> Array:
    try:
        doubles = np.array(flat, dtype=np.float64)
    except OverflowError:
        raise invalid("data", f"{subject}: a number is out of the range of its datatype") from None
    with np.errstate(over="ignore"):  # infinity is rejected by the validation
        return doubles.astype(dtype, copy=False)


def _check_range(flat: list[int], dtype: np.dtype[Any], subject: str) -> None:
    limits = np.iinfo(dtype)
    if flat and not (limits.min <= min(flat) and max(flat) <= limits.max):
        raise invalid("data", f"{subject}: a number is out of the range of its datatype")


def read_binary(data: memoryview, datatype: str, shape: Sequence[int], subject: str) -> Flat:
    """Return the elements of a tensor from bytes; numbers are a view of the bytes.

    :param data: the bytes
    :param datatype: the protocol's name of the type
    :param shape: the shape of the tensor
    :param subject: name of the tensor in error messages
    :raises InvalidInput: the bytes do not match the datatype or the shape
    """
    count = prod(shape)
    if datatype == BYTES:
        return _split_texts(data, count, subject)
    dtype = DTYPES[datatype]
    if count * dtype.itemsize != len(data):
        raise invalid("binary_data_size", f"{subject}: binary_data_size does not match its shape")
    if dtype.kind == "b":
        return _booleans(np.frombuffer(data, dtype=np.uint8), subject)
    return np.frombuffer(data, dtype=dtype)


def _booleans(data: NDArray[np.uint8], subject: str) -> NDArray[np.bool_]:
    if (data > 1).any():
        raise invalid("data", f"{subject}: a boolean must be one byte of 0 or 1")
    return data.view(np.bool_)


def _split_texts(data: memoryview, count: int, subject: str) -> list[bytes]:
    texts: list[bytes] = []
    position = 0
    while position < len(data) and len(texts) < count:
        start = position + _LENGTH.size
        end = start + (_LENGTH.unpack_from(data, position)[0] if start <= len(data) else 0)
        if max(start, end) > len(data):
            break
        texts.append(bytes(data[start:end]))
        position = end
    if position != len(data) or len(texts) != count:
        raise invalid("data", f"{subject}: binary data does not match its shape")
    return texts


def texts_of(tensor: Tensor, subject: str) -> list[str | None]:
    """Return the elements of a tensor of texts, decoded if its content type is base64.

    An element that is not valid base64 stays unchanged, as in MLServer.

    :param subject: name of the tensor in error messages
    :raises InvalidInput: an element is not valid UTF-8
    """
    unpack = _unpack_base64 if tensor.content_type == "base64" else bytes
    try:
        return [
            v if v is None or (isinstance(v, str) and unpack is bytes) else unpack(_raw(v)).decode()
            for v in tensor.flat
        ]
    except UnicodeDecodeError:
        raise invalid("data", f"{subject}: a text is not valid UTF-8") from None


def _raw(value: Any) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)


def _unpack_base64(value: bytes) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return value


def tensor_of(name: str, outputs: ModelOutput) -> Tensor:
    """Return the tensor of an estimator's output; numbers keep their precision.

    :param name: name of the tensor
    :param outputs: one array, sparse matrix, data frame or list; elements other than numbers,
        booleans and texts become JSON texts
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


def _tensor_of_objects(name: str, outputs: ModelOutput) -> Tensor:
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
    """Return a tensor that JSON can represent: a tensor of FP16 becomes FP32."""
    if tensor.datatype != "FP16":
        return tensor
    return replace(tensor, datatype="FP32", flat=np.asarray(tensor.flat, dtype=np.float32))


def write_binary(tensor: Tensor) -> bytes:
    """Return the elements of a tensor as bytes."""
    if isinstance(tensor.flat, np.ndarray):
        return tensor.flat.tobytes()
    raw = [text.encode("utf-8", "replace") for text in tensor.flat]
    return b"".join(chain.from_iterable((_LENGTH.pack(len(text)), text) for text in raw))
