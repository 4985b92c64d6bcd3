"""Universal Binary JSON, the format in which XGBoost stores a model."""

from __future__ import annotations

import numpy as np

from flask_skmodels.artifacts.structures.checks import Unsound, ensure
from flask_skmodels.schema.types import JSONObject, JSONValue

_MAX_DEPTH = 64
_NUMBERS = {
    code: np.dtype(name)
    for code, name in zip("iUIlLdD", (">i1", ">u1", ">i2", ">i4", ">i8", ">f4", ">f8"), strict=True)
}
_CONSTANTS = {"Z": None, "T": True, "F": False}


def read_universal_json(data: bytes) -> JSONValue:
    """Return the value in a document; arrays of one type of number become arrays of NumPy.

    :raises Unsound: it ends too early, is nested too deeply or is followed by other bytes
    """
    reader = _UniversalJSONReader(data)
    value = reader.value(reader.text(1), 0)
    ensure(reader.position == len(data), "its buffer has more bytes than its document")
    return value


class _UniversalJSONReader:
    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, count: int) -> bytes:
        end = self.position + count
        ensure(count >= 0 and end <= len(self.data), "its buffer ends too early")
        start, self.position = self.position, end
        return self.data[start:end]

    def text(self, count: int) -> str:
        return self.take(count).decode("utf-8", "replace")

    def peek(self) -> bytes:
        ensure(self.position < len(self.data), "its buffer ends too early")
        return self.data[self.position : self.position + 1]

    def value(self, kind: str, depth: int) -> JSONValue:
        ensure(depth < _MAX_DEPTH, "its buffer is nested too deeply")
        if kind in _NUMBERS:
            dtype = _NUMBERS[kind]
            return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()
        if kind in _CONSTANTS:
            return _CONSTANTS[kind]
        if kind in ("S", "C"):
            return self.text(self.length() if kind == "S" else 1)
        if kind == "[":
            return self.array(depth + 1)
        if kind == "{":
            return self.mapping(depth + 1)
        raise Unsound("its buffer has a value of an unknown type")

    def length(self) -> int:
        kind = self.text(1)
        ensure(kind in "iUIlL", "its buffer has a length that is not a whole number")
        length: int = self.value(kind, 0)
        return length

    def array(self, depth: int) -> JSONValue:
        kind = self.text(2)[1] if self.peek() == b"$" else None
        if self.peek() != b"#":
            ensure(kind is None, "its buffer has an array of a type without a length")
            return self.items(depth)
        self.take(1)
        count = self.length()
        if kind in _NUMBERS:
            dtype = _NUMBERS[kind]
            return np.frombuffer(self.take(count * dtype.itemsize), dtype)
        ensure(kind is None and 0 <= count <= len(self.data), "its buffer has an unknown array")
        return [self.value(self.text(1), depth) for _ in range(count)]

    def items(self, depth: int) -> list[JSONValue]:
        items = []
        while self.peek() != b"]":
            items.append(self.value(self.text(1), depth))
        self.take(1)
        return items

    def mapping(self, depth: int) -> JSONObject:
        mapping: JSONObject = {}
        while self.peek() != b"}":
            key = self.text(self.length())
            ensure(key not in mapping, "its buffer has a key twice")
            mapping[key] = self.value(self.text(1), depth)
        self.take(1)
        return mapping
