"""The check of a graph of ONNX before a session is created from it.

ONNX Runtime reads the files that a graph names, and if a field occurs twice, a parser takes the
last one. So every message in the file is visited, whatever contains it, and sessions are created
from the bytes of the message that was visited, not from those of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask_skmodels.artifacts.binary import read_varint
from flask_skmodels.exceptions import ArtifactError, in_one_line

if TYPE_CHECKING:
    from onnx import ModelProto

_REFERS_TO_FILES = frozenset({"EPContext"})  # nodes that name a file in an attribute
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}


def checked_graph(path: Path, data: bytes) -> tuple[ModelProto, bytes]:
    """Return the graph in a file and the bytes to create sessions from.

    :param path: the file, for the messages
    :param data: its bytes
    :raises ArtifactError: it refers to other files, repeats a field that may occur only once, has
        unknown fields, or is refused by the checker of ONNX
    :raises ValueError: it is not a graph with an output
    """
    from onnx import ModelProto

    model: ModelProto = ModelProto.FromString(data)
    if not model.graph.output:
        raise ValueError("it has no graph with an output")
    for message in _messages(model):
        _check_message(path, message)
    model.DiscardUnknownFields()
    checked = model.SerializeToString()
    if checked != data:  # another writer may order or pack the fields in another way
        _check_fields(path, memoryview(data), model.DESCRIPTOR)
    _run_checker(path, checked)
    return model, checked


def _messages(root: Any) -> Iterator[Any]:
    """Yield a message of protobuf and all messages in it, in graphs, functions and attributes."""
    stack = [root]
    while stack:
        message = stack.pop()
        yield message
        for field, value in message.ListFields():
            if field.type == field.TYPE_MESSAGE:
                is_one = hasattr(value, "ListFields")
                stack += [value] if is_one else value


def _check_message(path: Path, message: Any) -> None:
    name = message.DESCRIPTOR.name
    if name == "TensorProto" and (message.data_location or message.external_data):
        raise ArtifactError(path, "it keeps weights in other files, which are not pinned")
    if name == "NodeProto" and message.op_type in _REFERS_TO_FILES:
        raise ArtifactError(path, f"it has a node {message.op_type}, which reads other files")


def _check_fields(path: Path, data: memoryview, root: Any) -> None:
    """Check that each field of a message and the messages in it is known, and not repeated wrongly.

    A parsed message shows only the last of a field that occurs twice. protobuf shows them all only
    as unknown fields, with an object for each number, which takes 25 times the memory of the file.

    :param data: the message as in the file, which the parser has accepted
    :param root: the descriptor of its type
    """
    stack = [(data, root)]
    while stack:
        data, descriptor = stack.pop()
        seen: set[object] = set()
        for number, value in _fields(data):
            field = descriptor.fields_by_number.get(number)
            if field is None:
                reason = "it has fields that the installed onnx does not know: upgrade onnx"
                raise ArtifactError(path, reason)
            key = field.containing_oneof or field
            if not _is_repeated(field) and key.name in seen:
                raise ArtifactError(
                    path, f"the field {field.name} occurs twice in one of its messages"
                )
            seen.add(key.name)
            if field.type == field.TYPE_MESSAGE:
                stack.append((value, field.message_type))


def _is_repeated(field: Any) -> bool:
    known = getattr(field, "is_repeated", None)  # since protobuf 6
    return field.label == field.LABEL_REPEATED if known is None else bool(known)


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the number and the bytes of each field of a message; only messages need their bytes.

    A group, which ONNX does not have, is yielded as number 0, which no field has.
    """
    position = 0
    while position < len(data):
        tag, position = read_varint(data, position)
        number, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            length, position = read_varint(data, position)
            yield number, data[position : position + length]
            position += length
            continue
        if kind not in (_VARINT, _FIXED64, _FIXED32):
            yield 0, data[:0]
            return
        position = read_varint(data, position)[1] if kind == _VARINT else position + _WIDTHS[kind]
        yield number, data[:0]


def _run_checker(path: Path, data: bytes) -> None:
    from onnx.checker import ValidationError, check_model

    try:
        check_model(data)
    except ValidationError as error:
        raise ArtifactError(path, f"onnx refuses it: {in_one_line(error)}") from error
