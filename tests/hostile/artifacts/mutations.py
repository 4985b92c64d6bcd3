"""Changes to the numbers of an artifact, for each format in which it can be written.

A change is a label and a function that returns the changed file, None if it would be the same. The
function is called before the next change is taken.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from zipfile import ZipFile

import numpy as np
from joblib.numpy_pickle import NumpyPickler

HUGE = 2**31 - 1

Change = Callable[[Any], Any]
Changes = Iterator[tuple[str, Callable[[], bytes | None]]]


def _filled(value: int) -> Change:
    """Return a change of the first number of an array, in each field of a structured one."""

    def fill(array: Any) -> Any:
        changed = array.copy()
        for name in changed.dtype.names or (None,):
            part = changed if name is None else changed[name]
            if part.size and part.dtype.kind in "iufb":
                with np.errstate(all="ignore"):
                    part.flat[:1] = np.array(value).astype(part.dtype)
        return changed

    return fill


def _everywhere(value: int) -> Change:
    def fill(array: Any) -> Any:
        changed = array.copy()
        for name in changed.dtype.names or (None,):
            part = changed if name is None else changed[name]
            if part.dtype.kind in "iufb":
                with np.errstate(all="ignore"):
                    part[...] = np.array(value).astype(part.dtype)
        return changed

    return fill


CHANGES: dict[str, Change] = {
    "first is -2": _filled(-2),
    "first is 100": _filled(100),
    "first is huge": _filled(HUGE),
    "all are 0": _everywhere(0),
    "all are 1": _everywhere(1),
    "all are huge": _everywhere(HUGE),
    "all are -2": _everywhere(-2),
    "half": lambda array: array[: len(array) // 2],
    "nothing": lambda array: array[:0],
    "twice": lambda array: np.concatenate([array, array]),
    "reversed": lambda array: np.ascontiguousarray(array[::-1]),
    "flat": lambda array: array.ravel(),
    "narrow": lambda array: array[..., : array.shape[-1] // 2].copy(),
    "other type": lambda array: array.astype(np.float32),
}
NUMBERS = (-1, 0, 1, 100, HUGE, 2**40)


def _changed(array: Any, change: Change) -> Any:
    """Return a changed array, None if the change is not one."""
    try:
        changed = change(array)
    except (TypeError, ValueError, IndexError):
        return None
    is_same = changed.shape == array.shape and changed.dtype == array.dtype
    return None if is_same and changed.tobytes() == array.tobytes() else changed


def of_skops(data: bytes) -> Changes:
    """Yield the changes of a file of skops: of each array, and of each number in the schema."""
    with ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, member in members.items():
        if name.endswith((".npy", ".npz")):
            for label, make in _of_member(name, member):
                yield f"{name[-8:]} {label}", partial(_zip, members, name, make)
    schema = json.loads(members["schema.json"])
    for label, make in _of_schema(schema):
        yield label, partial(_zip, members, "schema.json", make)


def _zip(members: dict[str, bytes], name: str, make: Callable[[], bytes | None]) -> bytes | None:
    """Return an archive with another content of one member."""
    changed = make()
    if changed is None:
        return None
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for each, member in (members | {name: changed}).items():
            archive.writestr(each, member)
    return buffer.getvalue()


def _of_member(name: str, member: bytes) -> Changes:
    if name.endswith(".npy"):
        array = np.load(io.BytesIO(member))
        for label, change in CHANGES.items() if array.ndim else ():
            yield label, partial(_saved, np.save, array, change)
        return
    with np.load(io.BytesIO(member)) as arrays:
        parts = dict(arrays)
    for key in sorted(parts.keys() & {"indices", "indptr", "data", "shape"}):
        for label, change in CHANGES.items():
            save = partial(_save_parts, parts, key)
            yield f"{key} {label}", partial(_saved, save, parts[key], change)


def _saved(save: Callable[[Any, Any], object], array: Any, change: Change) -> bytes | None:
    changed, buffer = _changed(array, change), io.BytesIO()
    if changed is None:
        return None
    save(buffer, changed)
    return buffer.getvalue()


def _save_parts(parts: dict[str, Any], key: str, buffer: Any, changed: Any) -> None:
    np.savez(buffer, **parts | {key: changed})


def _of_schema(schema: Any) -> Changes:
    """Yield schemas in which one number is another."""
    for path, node in _nodes(schema, ""):
        if node.get("__loader__") == "JsonNode":
            old = node["content"]
            try:
                is_number = isinstance(json.loads(old), int | float)
            except ValueError:
                continue
            for value in NUMBERS if is_number else ():
                if str(value) != old:
                    yield f"{path} is {value}", partial(_with_number, schema, node, value)


def _with_number(schema: Any, node: dict[str, Any], value: int) -> bytes:
    old, node["content"] = node["content"], str(value)
    try:
        return json.dumps(schema).encode()
    finally:
        node["content"] = old


def _nodes(item: Any, path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(item, dict):
        yield path, item
        for name, part in item.items():
            yield from _nodes(part, path if name == "content" else f"{path}.{name}"[-60:])
    elif isinstance(item, list):
        for index, part in enumerate(item):
            yield from _nodes(part, f"{path}[{index}]")


class _Pickler(pickle.Pickler):
    """A pickler that changes one of the arrays, and counts them.

    :param file: the file to write to
    :param index: the index of the array to change
    :param change: the change
    :ivar count: the number of arrays so far
    :ivar has_changed: whether the change was one
    """

    def __init__(self, file: Any, index: int, change: Change) -> None:
        super().__init__(file, protocol=5)
        self.index, self.change = index, change
        self.count = 0
        self.has_changed = False

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not np.ndarray or obj.dtype == object or not obj.ndim:
            return NotImplemented
        self.count += 1
        if self.count - 1 != self.index:
            return NotImplemented
        changed = _changed(obj, self.change)
        if changed is None:
            return NotImplemented
        self.has_changed = True
        return changed.__reduce__()


def of_pickle(estimator: Any) -> Changes:
    """Yield the changes of a pickle, one for each array and change."""
    counter = _Pickler(io.BytesIO(), -1, lambda array: array)
    counter.dump(estimator)
    for index in range(counter.count):
        for label, change in CHANGES.items():
            yield f"array {index} {label}", partial(_dumped, _Pickler, estimator, index, change)


def _dumped(pickler: Any, estimator: Any, *options: Any) -> bytes | None:
    buffer = io.BytesIO()
    made = pickler(buffer, *options)
    made.dump(estimator)
    return buffer.getvalue() if made.has_changed else None


class _JoblibPickler(NumpyPickler):
    """A pickler of joblib that changes one of the arrays, or the shape that the file gives it.

    :param file: the file to write to
    :param index: the index of the array to change
    :param change: the change of the array, None for none
    :param claim: the change of its shape, None for none
    :ivar count: the number of arrays so far
    :ivar has_changed: whether the array was changed
    """

    def __init__(
        self, file: Any, index: int, change: Change | None = None, claim: Change | None = None
    ) -> None:
        super().__init__(file)
        self.index, self.change, self.claim = index, change, claim
        self.count = 0
        self.has_changed = False
        self._kept: list[Any] = []  # so that no id is used twice

    def save(self, obj: Any) -> Any:
        if type(obj) is np.ndarray and obj.dtype != object and obj.ndim:
            self.count += 1
            changed = None if self.change is None or not self._is_here else self.change
            changed = None if changed is None else _changed(obj, changed)
            if changed is not None:
                self.has_changed = True
                obj = changed
            self._kept.append(obj)
        return super().save(obj)

    @property
    def _is_here(self) -> bool:
        return self.count - 1 == self.index

    def _create_array_wrapper(self, array: Any) -> Any:
        wrapper = super()._create_array_wrapper(array)
        if self.claim is not None and self._is_here:
            wrapper.shape = self.claim(wrapper.shape)
            self.has_changed = True
        return wrapper


CLAIMS: dict[str, Change] = {
    "claims twice the rows": lambda shape: (2 * shape[0], *shape[1:]),
    "claims many rows": lambda shape: (HUGE, *shape[1:]),
    "claims fewer rows": lambda shape: (shape[0] // 2, *shape[1:]),
    "claims a negative number of rows": lambda shape: (-shape[0], *shape[1:]),
}


def of_joblib(estimator: Any) -> Changes:
    """Yield the changes of a file of joblib, which has its arrays between the pickled parts."""
    counter = _JoblibPickler(io.BytesIO(), -1)
    counter.dump(estimator)
    for index in range(counter.count):
        changes = [(label, change, None) for label, change in CHANGES.items()]
        claims = [(label, None, claim) for label, claim in CLAIMS.items()]
        for label, *options in (*changes, *claims):
            make = partial(_dumped, _JoblibPickler, estimator, index, *options)
            yield f"array {index} {label}", make


def of_onnx(data: bytes) -> Changes:
    """Yield the changes of a graph: of the numbers of each attribute, and of each tensor."""
    import onnx

    model = onnx.load_from_string(data)
    for node_index, node in enumerate(model.graph.node):
        for index, attribute in enumerate(node.attribute):
            for field in ("ints", "floats"):
                for label, changed in _of_values(list(getattr(attribute, field))):
                    make = partial(_with_attribute, data, node_index, index, field, changed)
                    yield f"{node.op_type}.{attribute.name} {label}", make
    for index, tensor in enumerate(model.graph.initializer):
        array = onnx.numpy_helper.to_array(tensor)
        for label, change in CHANGES.items():
            yield f"{tensor.name} {label}", partial(_with_tensor, data, index, array, change)


def _with_attribute(data: bytes, node: int, index: int, field: str, values: list[Any]) -> bytes:
    import onnx

    model = onnx.ModelProto.FromString(data)
    part = model.graph.node[node].attribute[index]
    part.ClearField(field)
    getattr(part, field).extend(values)
    return bytes(model.SerializeToString())


def _with_tensor(data: bytes, index: int, array: Any, change: Change) -> bytes | None:
    import onnx

    changed = _changed(array, change)
    if changed is None:
        return None
    model = onnx.ModelProto.FromString(data)
    tensor = model.graph.initializer[index]
    tensor.CopyFrom(onnx.numpy_helper.from_array(changed, tensor.name))
    return bytes(model.SerializeToString())


def _of_values(values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    if not values:
        return
    kind = type(values[0])
    for value in NUMBERS:
        yield f"first is {value}", [kind(value), *values[1:]]
        yield f"all are {value}", [kind(value)] * len(values)
    yield "half", values[: len(values) // 2]
    yield "twice", values * 2
    yield "reversed", values[::-1]


VALUES: list[Any] = [
    *(None, True, 0, -1, HUGE, 1e308, float("nan"), "", ".", "..", "/etc/passwd", "a\0b", "\ud800"),
    *(
        "x" * 10**5,
        "[" * 10**5,
        "{}",
        "null",
        "[{}]",
        "[[]]",
        '[{"name": 1}]',
        '[{"type": "tensor"}]',
    ),
    *([], {}, [[]], [{}], [None], {"a": {}}, [[1] * 10**4], [[1]] * 10**4, ["x" * 10**5]),
]
MLFLOW = {
    "flavors": ["flavors"],
    "the flavor": ["flavors", "sklearn"],
    "the file": ["flavors", "sklearn", "pickled_model"],
    "the signature": ["signature"],
    "its inputs": ["signature", "inputs"],
    "the example": ["saved_input_example_info"],
    "its path": ["saved_input_example_info", "artifact_path"],
}


def of_mlflow(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the changes of a folder of MLflow: the label, the name of a file, and its text.

    :param document: the content of ``MLmodel``, which names ``example.json``
    """
    for label, keys in MLFLOW.items():
        for index, value in enumerate(VALUES):
            changed = json.loads(json.dumps(document))
            part = changed
            for key in keys[:-1]:
                part = part[key]
            part[keys[-1]] = value
            yield f"{label} is value {index}", "MLmodel", json.dumps(changed)  # JSON is YAML
    for index, value in enumerate(VALUES):
        yield f"the example is value {index}", "example.json", json.dumps(value)
    for index, text in enumerate(("", "{", "- " * 10**5, "a: &a [*a]", "!!python/name:os.system")):
        yield f"the description is text {index}", "MLmodel", text
