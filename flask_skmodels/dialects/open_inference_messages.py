"""Messages of the Open Inference Protocol v2: requests to rows, predictions to responses.

They follow the specification of the protocol's REST API and Triton's binary tensor data extension.
MLServer's parameter ``content_type`` is read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from flask_skmodels.codecs.columns import (
    MAX_COLUMNS,
    MIN_ROW_BYTES,
    check_column_count,
    check_row_marks,
    request_columns,
)
from flask_skmodels.codecs.json_text import dumps, loads
from flask_skmodels.dialects.open_inference_metadata import input_tensors, part_names
from flask_skmodels.dialects.open_inference_tensors import (
    BYTES,
    DTYPES,
    Tensor,
    in_json,
    invalid,
    read_binary,
    read_json_tensor,
    tensor_of,
    tensor_shape,
    texts_of,
    write_binary,
)
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.schema.rows import Matrix, Repeated, Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import JSONMapping, JSONObject

_RAW = "raw_input"
_SIZE = "binary_data_size"
# Extensions of Triton that would change the response; they are not supported.
_UNSUPPORTED = ("classification", "shared_memory_region")


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """A requested output.

    :param name: its name
    :param is_binary: whether the output is sent as binary data
    """

    name: str
    is_binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """An inference request.

    :param id: its identifier, None if it has none
    :param inputs: its tensors
    :param outputs: the requested outputs; none for the default output
    :param is_binary: whether the default output is sent as binary data
    :param content_type: MLServer's type for all inputs together: ``"pd"`` for columns with names
    """

    id: str | None
    inputs: Sequence[Tensor]
    outputs: Sequence[RequestedOutput]
    is_binary: bool
    content_type: str = ""


def read_request(
    body: bytes, header_length: int | None, schema: Schema, budget: Budget
) -> InferRequest:
    """Return the request in a body.

    :param body: JSON, then binary data
    :param header_length: length of the JSON in bytes; None if the whole body is JSON, 0 if the
        whole body is one tensor
    :param schema: the fields of the model
    :param budget: the limits on the request
    :raises OverBudget: the body has more rows
    :raises InvalidInput: the protocol does not allow the body
    """
    if header_length == 0:
        return InferRequest(None, [_raw_tensor(body, schema)], [], True)
    if header_length is not None and not 0 < header_length <= len(body):
        raise invalid(
            "header_length",
            "the length of the JSON header must be from 0 to the length of the body",
        )
    check_row_marks(body[:header_length], b"{[", budget, MIN_ROW_BYTES)
    document = _object(loads(body[:header_length], "the request", _count_names), "the request")
    parameters = _parameters(document, "the request")
    is_binary = _flag(parameters, "binary_data_output", "the request", default=False)
    data = None if header_length is None else memoryview(body)[header_length:]
    return InferRequest(
        id=_identifier(document),
        inputs=_inputs(document, data),
        outputs=_outputs(document, is_binary),
        is_binary=is_binary,
        content_type=_content_type(parameters),
    )


def _count_names(document: Any) -> int:
    """Return the number of names in a request, down to the parameters of its tensors."""
    count = 0
    for part in (document, *_entries(document, "inputs"), *_entries(document, "outputs")):
        if isinstance(part, dict):
            parameters = part.get("parameters")
            count += len(part) + (len(parameters) if isinstance(parameters, dict) else 0)
    return count


def _entries(document: Any, name: str) -> list[Any]:
    entries = document.get(name) if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else []


def _object(value: Any, subject: str) -> JSONObject:
    if not isinstance(value, dict):
        raise invalid("type", f"{subject} must be an object")
    if isinstance(value, Repeated):
        raise invalid("unique", f"a name occurs more than once in {subject}")
    return value


def _parameters(value: JSONMapping, subject: str) -> JSONObject:
    parameters = value.get("parameters")
    return {} if parameters is None else _object(parameters, f"the parameters of {subject}")


def _identifier(document: JSONMapping) -> str | None:
    identifier = document.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise invalid("id", "id must be a string")
    return identifier


def _content_type(parameters: JSONMapping) -> str:
    content_type = parameters.get("content_type")
    return content_type if isinstance(content_type, str) else ""


def _flag(parameters: JSONMapping, name: str, subject: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise invalid(name, f"{subject}: {name} must be true or false")
    return value


def _named_entries(document: JSONMapping, name: str) -> list[JSONObject]:
    """Return the inputs or outputs of a request, as JSON objects with unique names."""
    entries = document.get(name)
    if entries is None and name == "outputs":
        return []
    if not isinstance(entries, list):
        raise invalid(name, f"{name} must be an array")
    if len(entries) > MAX_COLUMNS:
        raise invalid(name, f"at most {MAX_COLUMNS} {name} are allowed")
    objects = [_object(entry, f"{name[:-1]} {index}") for index, entry in enumerate(entries)]
    names = [entry.get("name") for entry in objects]
    if not all(isinstance(entry_name, str) for entry_name in names):
        raise invalid("name", f"each of the {name} must have a name, which is a string")
    if len(set(names)) < len(names):
        raise invalid("unique", f"two of the {name} have the same name")
    return objects


def _outputs(document: JSONMapping, is_binary: bool) -> list[RequestedOutput]:
    outputs = []
    for index, entry in enumerate(_named_entries(document, "outputs")):
        subject = f"output {index}"
        parameters = _parameters(entry, subject)
        for name in _UNSUPPORTED:
            if parameters.get(name):
                raise invalid(name, f"{subject}: {name} is not supported")
        binary = _flag(parameters, "binary_data", subject, default=is_binary)
        outputs.append(RequestedOutput(entry["name"], binary))
    return outputs


def _inputs(document: JSONMapping, data: memoryview | None) -> list[Tensor]:
    """Return the tensors of a request.

    :param data: the binary data after the JSON; None if the whole body is JSON
    """
    tensors = []
    for index, entry in enumerate(_named_entries(document, "inputs")):
        tensor, data = _tensor(entry, data, f"input {index}")
        tensors.append(tensor)
    if data:
        raise invalid(_SIZE, "there is more binary data than the inputs declare")
    if not tensors:
        raise invalid("empty", "there must be at least one input")
    return tensors


def _tensor(
    entry: JSONMapping, data: memoryview | None, subject: str
) -> tuple[Tensor, memoryview | None]:
    """Return a tensor, and the binary data that is left after it."""
    parameters = _parameters(entry, subject)
    datatype = entry.get("datatype")
    if datatype not in (*DTYPES, BYTES):
        raise invalid(
            "datatype", f"{subject}: datatype must be one of {', '.join(DTYPES)}, {BYTES}"
        )
    shape = tensor_shape(entry.get("shape"), subject)
    size = parameters.get(_SIZE)
    if (size is None) == (entry.get("data") is None):
        raise invalid("data", f"{subject}: it must have either data or {_SIZE}")
    if size is None:
        flat = read_json_tensor(entry["data"], datatype, shape, subject)
    else:
        part, data = _cut(data, size, subject)
        flat = read_binary(part, datatype, shape, subject)
    return Tensor(entry["name"], datatype, shape, flat, _content_type(parameters)), data


def _cut(data: memoryview | None, size: Any, subject: str) -> tuple[memoryview, memoryview]:
    if data is None:
        raise invalid(
            _SIZE, f"{subject}: binary data needs the header Inference-Header-Content-Length"
        )
    if type(size) is not int or not 0 <= size <= len(data):
        raise invalid(
            _SIZE,
            f"{subject}: {_SIZE} must be an integer from 0 to the number of binary bytes that are "
            "left",
        )
    return data[:size], data[size:]


def _raw_tensor(body: bytes, schema: Schema) -> Tensor:
    """Return the tensor of a body without JSON: one row of numbers, or one text."""
    inputs = input_tensors(schema)
    [datatype, *others] = {tensor["datatype"] for tensor in inputs}
    if others or (datatype == BYTES and len(inputs) > 1):
        raise invalid(
            "raw",
            "a body without JSON can be sent only to a model that takes one text, or numbers of "
            "one datatype",
        )
    if datatype == BYTES:
        return Tensor(_RAW, datatype, (1,), [body])
    dtype = DTYPES[datatype]
    count = sum(tensor["shape"][1] for tensor in inputs)
    width = len(body) // dtype.itemsize if count < 0 else count
    flat = read_binary(memoryview(body), datatype, (1, width), "the body")
    return Tensor(_RAW, datatype, (1, width), flat)


def rows_of(request: InferRequest, schema: Schema) -> Rows:
    """Return the rows in the tensors of a request.

    One tensor of shape (rows, columns) has its columns in the order of the fields. Otherwise each
    tensor is the column of the field with its name, of shape (rows,) or (rows, 1).

    :param schema: the fields of the model
    :raises InvalidInput: a tensor does not have the shape of a column, or the tensors differ in
        length
    """
    tensors = request.inputs
    if len(tensors) > 1 and request.content_type in {"np", "str"}:
        raise invalid("content_type", "this content type allows only one input")
    if len(tensors) == 1 and not _is_column(request, schema):
        return _block(tensors[0], schema)
    names = [tensor.name for tensor in tensors]
    columns = [_column(tensor, f"input {index}") for index, tensor in enumerate(tensors)]
    return request_columns(names, columns, schema)


def _is_column(request: InferRequest, schema: Schema) -> bool:
    """Return whether a single tensor is the column of one field, not all columns together."""
    tensor = request.inputs[0]
    if request.content_type == "pd":
        return True
    is_narrow = len(tensor.shape) == 1 or tensor.shape[1] == 1
    return is_narrow and any(field.name == tensor.name for field in schema.fields)


def _block(tensor: Tensor, schema: Schema) -> Rows:
    count, width = tensor.shape if len(tensor.shape) == 2 else (*tensor.shape, 1)
    check_column_count(width, schema)
    if isinstance(tensor.flat, np.ndarray) and tensor.flat.dtype.kind in "fiu":
        return Matrix(tensor.flat.reshape(count, width))
    values = _values(tensor, "input 0")
    return Rows([values[start : start + width] for start in range(0, count * width, width)])


def _column(tensor: Tensor, subject: str) -> Any:
    if len(tensor.shape) == 2 and tensor.shape[1] != 1:
        raise invalid(
            "shape", f"{subject}: shape must be the shape of a column, [rows] or [rows, 1]"
        )
    is_array = isinstance(tensor.flat, np.ndarray) and tensor.flat.dtype.kind in "fiu"
    return tensor.flat if is_array else _values(tensor, subject)


def _values(tensor: Tensor, subject: str) -> list[Any]:
    """Return the elements of a tensor as Python objects."""
    if tensor.datatype == BYTES:
        return texts_of(tensor, subject)
    flat = tensor.flat
    return flat if isinstance(flat, list) else flat.tolist()


def tensors_of(name: str, prediction: Prediction) -> list[Tensor]:
    """Return the tensors of a requested output: one, or one for each of several outputs.

    :param name: name of the output; several outputs become tensors ``name_0`` and so on, and the
        name of such a tensor returns only that one
    :param prediction: the prediction of the method that the output belongs to
    """
    if not is_multi_output(prediction.outputs):
        return [tensor_of(name, prediction.outputs)]
    count = len(prediction.outputs)
    parts = part_names(prediction.method, count)
    if name in parts:
        return [tensor_of(name, prediction.outputs[parts.index(name)])]
    return list(map(tensor_of, part_names(name, count), prediction.outputs))


def write_response(
    head: JSONMapping, tensors: Sequence[tuple[Tensor, bool]]
) -> tuple[bytes, int | None]:
    """Return the body of a response, and the length of its JSON if binary data follows.

    :param head: the first entries of the JSON: name and version of the model, identifier
    :param tensors: the outputs, each with True if it is sent as binary data
    """
    outputs, parts = [], []
    for tensor, is_binary in tensors:
        sent = tensor if is_binary else in_json(tensor)
        output = {"name": sent.name, "shape": sent.shape, "datatype": sent.datatype}
        if is_binary:
            parts.append(write_binary(sent))
            outputs.append({**output, "parameters": {_SIZE: len(parts[-1])}})
        else:
            outputs.append({**output, "data": sent.flat})
    header = dumps({**head, "outputs": outputs})
    return b"".join([header, *parts]), len(header) if parts else None
