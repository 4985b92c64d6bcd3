"""Changes to the numbers of an artifact, for each format in which it can be written."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Iterator
from typing import Any
from zipfile import ZipFile

import numpy as np
from joblib.numpy_pickle import NumpyPickler

HUGE = 2**31 - 1

Change = Callable[[Any], Any]


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


def of_skops(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the changes of a file of skops: of each array, and of each number in the schema."""
    with ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, member in members.items():
        if name.endswith((".npy", ".npz")):
            for label, changed in _of_member(name, member):
                yield f"{name[-8:]} {label}", _zip(members | {name: changed})
    schema = json.loads(members["schema.json"])
    for label, changed in _of_schema(schema):
        yield label, _zip(members | {"schema.json": changed})


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return buffer.getvalue()


def _of_member(name: str, member: bytes) -> Iterator[tuple[str, bytes]]:
    if name.endswith(".npy"):
        array = np.load(io.BytesIO(member))
        for label, change in CHANGES.items():
            changed = _changed(array, change) if array.ndim else None
            if changed is not None:
                buffer = io.BytesIO()
                np.save(buffer, changed)
                yield label, buffer.getvalue()
        return
    with np.load(io.BytesIO(member)) as arrays:
        parts = dict(arrays)
    for key in ("indices", "indptr", "data", "shape"):
        for label, change in CHANGES.items():
            changed = _changed(parts[key], change) if key in parts else None
            if changed is not None:
                buffer = io.BytesIO()
                np.savez(buffer, **parts | {key: changed})
                yield f"{key} {label}", buffer.getvalue()


def _of_schema(schema: Any) -> Iterator[tuple[str, bytes]]:
    """Yield schemas in which one number or one buffer is another."""
    for path, node in _nodes(schema, ""):
        if node.get("__loader__") == "JsonNode":
            old = node["content"]
            try:
                is_number = isinstance(json.loads(old), int | float)
            except ValueError:
                continue
            for value in NUMBERS if is_number else ():
                node["content"] = str(value)
                if node["content"] != old:
                    yield f"{path} is {value}", json.dumps(schema).encode()
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


def of_pickle(estimator: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the changes of a pickle, one for each array and change."""
    counter = _Pickler(io.BytesIO(), -1, lambda array: array)
    counter.dump(estimator)
    for index in range(counter.count):
        for label, change in CHANGES.items():
            buffer = io.BytesIO()
            pickler = _Pickler(buffer, index, change)
            pickler.dump(estimator)
            if pickler.has_changed:
                yield f"array {index} {label}", buffer.getvalue()


class _JoblibPickler(NumpyPickler):  # type: ignore[misc]
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


def of_joblib(estimator: Any) -> Iterator[tuple[str, bytes]]:
    """Yield the changes of a file of joblib, which has its arrays between the pickled parts."""
    counter = _JoblibPickler(io.BytesIO(), -1)
    counter.dump(estimator)
    for index in range(counter.count):
        changes = [(label, {"change": change}) for label, change in CHANGES.items()]
        claims = [(label, {"claim": claim}) for label, claim in CLAIMS.items()]
        for label, options in changes + claims:
            buffer = io.BytesIO()
            pickler = _JoblibPickler(buffer, index, **options)
            pickler.dump(estimator)
            if pickler.has_changed:
                yield f"array {index} {label}", buffer.getvalue()


def of_onnx(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the changes of a graph: of the numbers of each attribute, and of each tensor."""
    import onnx

    model = onnx.load_from_string(data)
    for node_index, node in enumerate(model.graph.node):
        for index, attribute in enumerate(node.attribute):
            for field in ("ints", "floats"):
                if values := list(getattr(attribute, field)):
                    for label, changed in _of_values(values):
                        other = onnx.ModelProto.FromString(data)
                        part = other.graph.node[node_index].attribute[index]
                        part.ClearField(field)
                        getattr(part, field).extend(changed)
                        yield f"{node.op_type}.{attribute.name} {label}", other.SerializeToString()
    for index, tensor in enumerate(model.graph.initializer):
        for label, change in CHANGES.items():
            changed = _changed(onnx.numpy_helper.to_array(tensor), change)
            if changed is not None:
                other = onnx.ModelProto.FromString(data)
                made = onnx.numpy_helper.from_array(changed, tensor.name)
                other.graph.initializer[index].CopyFrom(made)
                yield f"{tensor.name} {label}", other.SerializeToString()


def _of_values(values: list[Any]) -> Iterator[tuple[str, list[Any]]]:
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
