"""A graph of ONNX as an estimator, run by ONNX Runtime.

The graph is described from its bytes alone, so that loading starts nothing: the session is made by
the first call in each process, after any fork.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sklearn.utils.metaestimators import available_if

from flask_skmodels.artifacts.declaration import in_one_line
from flask_skmodels.artifacts.onnx_session import start
from flask_skmodels.errors import ArtifactError

_TYPES: tuple[Any, ...] = (
    *(None, np.float32, np.uint8, np.int8, np.uint16, np.int16, np.int32, np.int64),
    *(np.object_, np.bool_, np.float16, np.float64, np.uint32, np.uint64),
)
_PASSES_ON = frozenset({b"Cast", b"Identity"})
_LABELS = frozenset({b"classlabels_ints", b"classlabels_int64s", b"classlabels_strings"})
_EXTERNAL = 1

Message = dict[int, list[Any]]
Method = TypeVar("Method", bound=Callable[..., Any])


def read_onnx(path: Path, data: bytes) -> OnnxModel:
    """Return the estimator for a file of ONNX.

    :param path: the file, for the messages
    :param data: its bytes
    :raises ArtifactError: it is no graph, or keeps its weights in other files
    """
    try:
        return OnnxModel(path, data)
    except (ValueError, IndexError, KeyError) as error:
        raise ArtifactError(path, f"it is not a file of ONNX: {in_one_line(error)}") from error


def _if_there(output: str) -> Callable[[Method], Method]:
    """Let a model have a method only if its graph has the output for it."""
    decorator: Callable[[Method], Method] = available_if(lambda model: vars(model)[output])
    return decorator


class OnnxModel:
    """A graph of ONNX with the methods of an estimator.

    :ivar n_features_in_: how many columns it takes, where the graph tells
    :ivar feature_names_in_: names of the columns, where each is an input of its own
    :ivar data: the bytes of the graph
    :ivar classes_: the classes, where the graph tells
    """

    def __init__(self, path: Path, data: bytes) -> None:
        graph = _graph(data)
        if any(_parsed(each).get(14) == [_EXTERNAL] for each in graph.get(5, ())):
            raise ArtifactError(path, "it keeps weights in other files, which are not pinned")
        self._path, self.data = path, data
        self._session: tuple[int, Any] = (0, None)
        weights = {_text(_parsed(each), 8) for each in graph.get(5, ())}
        self._inputs = [i for i in map(_value, graph.get(11, ())) if i.name not in weights]
        outputs = [_value(each) for each in graph.get(12, ())]
        self._probabilities = next((o.name for o in outputs if o.tells_probabilities), None)
        self._labels = next((o.name for o in outputs if o.name != self._probabilities), None)
        widths = [each.width for each in self._inputs]
        known = [width for width in widths if width is not None]
        if known and known == widths:
            self.n_features_in_ = sum(known)
        if len(widths) > 1 and set(widths) == {1}:
            self.feature_names_in_ = np.array(self.input_names, dtype=object)
        if classes := _classes(graph, {self._probabilities, self._labels}):
            self.classes_ = np.array(classes)

    @_if_there("_labels")
    def predict(self, X: Any) -> Any:
        """Return the first output of the graph that is no probability.

        :param X: array or data frame of shape (rows, columns)
        :returns: array of shape (rows,), or (rows, outputs) where there is more than one
        """
        found = np.asarray(self._run(self._labels, X))
        found = found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
        return found.astype(str) if found.dtype == object else found

    @_if_there("_probabilities")
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, array of shape (rows, classes)."""
        found = self._run(self._probabilities, X)
        if isinstance(found, list):  # one dictionary a row, of scikit-learn's converter
            keys = list(getattr(self, "classes_", found[0] if found else ()))
            return np.array([[row[key] for key in keys] for row in found], dtype=np.float32)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": (0, None)}

    @property
    def input_names(self) -> list[str]:
        """The names of its inputs, in their order."""
        return [each.name for each in self._inputs]

    def output_of(self, method: str) -> str | None:
        """Return the name of the output that a method gives, None where there is none."""
        if method == "predict_proba":
            return self._probabilities
        return self._labels if method in ("predict", "transform") else None

    def run(self, output: str | None, feed: Mapping[str, Any]) -> Any:
        """Return one output, by a session of this process.

        :param feed: an array for each input
        """
        return self._running().run([output], feed)[0]

    def cast(self, feed: Mapping[str, Any]) -> dict[str, Any]:
        """Return an array for each input, of its type.

        :raises ValueError: a fraction would be cut off
        """
        return {each.name: each.cast(feed[each.name]) for each in self._inputs}

    def _run(self, output: Any, X: Any) -> Any:
        return self.run(output, self._feed(X))

    def _running(self) -> Any:
        """The session of this process: a forked one does not have its parent's."""
        process, session = self._session
        if session is None or process != os.getpid():
            session = _start(self._path, self.data)
            self._session = (os.getpid(), session)
        return session

    def _feed(self, X: Any) -> dict[str, Any]:
        if hasattr(self, "feature_names_in_") and hasattr(X, "columns"):
            return {each.name: each.cast(np.asarray(X[[each.name]])) for each in self._inputs}
        values, feed, start = np.asarray(X), {}, 0
        for each in self._inputs:
            stop = None if each.width is None or len(self._inputs) == 1 else start + each.width
            feed[each.name] = each.cast(values[:, start:stop] if values.ndim > 1 else values)
            start = stop or 0
        return feed


@dataclass(frozen=True, slots=True)
class _Value:
    """An input or output of a graph; its type is None where it is no tensor."""

    name: str
    type: int | None
    shape: tuple[int | None, ...]

    @property
    def width(self) -> int | None:
        """How many columns it has, None where the graph leaves that open."""
        return 1 if len(self.shape) == 1 else self.shape[1] if len(self.shape) == 2 else None

    @property
    def tells_probabilities(self) -> bool:
        return self.type is None or (self.type in (1, 11) and "prob" in self.name.lower())

    def cast(self, values: Any) -> Any:
        """Return values as what this input takes; not, if that would cut off a fraction."""
        wanted = _TYPES[self.type or 0]
        with np.errstate(over="ignore", invalid="ignore"):
            found = values.astype(wanted)
        if np.issubdtype(wanted, np.integer) and not np.array_equal(found, values):
            raise ValueError(f"input {self.name} takes whole numbers")
        return found.reshape(-1) if len(self.shape) == 1 else np.ascontiguousarray(found)


def _start(path: Path, data: bytes) -> Any:
    try:
        return start(data)
    except Exception as error:  # its exceptions have no class in common
        raise ArtifactError(path, f"ONNX Runtime refuses it: {in_one_line(error)}") from error


# The messages of ONNX that are needed, in the wire format of protocol buffers: each a mapping of
# field numbers, as onnx.proto gives them, to the values in the file.


def _graph(data: bytes) -> Message:
    graph = _parsed(_parsed(memoryview(data)).get(7, [b""])[-1])
    if not graph.get(12):
        raise ValueError("it has no graph with an output")
    return graph


def _parsed(data: Any) -> Message:
    found: Message = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(data, at)
        elif wire in (1, 2, 5):
            size, at = _varint(data, at) if wire == 2 else (4 if wire == 5 else 8, at)
            value, at = data[at : at + size], at + size
        if wire not in (0, 1, 2, 5) or not number or at > len(data):
            raise ValueError("it is truncated or corrupt")
        found.setdefault(number, []).append(value)
    return found


def _varint(data: Any, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("it is truncated or corrupt")


def _text(message: Message, number: int) -> str:
    return bytes(message.get(number, [b""])[-1]).decode()


def _value(data: Any) -> _Value:
    message = _parsed(data)
    kind = _parsed(message.get(2, [b""])[-1])
    if 1 not in kind:
        return _Value(_text(message, 1), None, ())
    tensor = _parsed(kind[1][-1])
    sizes = _parsed(tensor.get(2, [b""])[-1]).get(1, [])
    shape = tuple(_parsed(size).get(1, [None])[-1] or None for size in sizes)
    return _Value(_text(message, 1), tensor[1][-1], shape)


def _classes(graph: Message, outputs: set[str | None]) -> list[Any] | None:
    """The classes that the nodes behind the outputs name, if they all name the same."""
    nodes = [_parsed(each) for each in graph.get(1, ())]
    made = {bytes(output): node for node in nodes for output in node.get(2, ())}
    found = []
    for name in filter(None, outputs):
        node = made.get(name.encode(), {})
        for _ in nodes:  # no way is longer, but a false graph may go in circles
            if bytes(node.get(4, [b""])[-1]) in _PASSES_ON:
                node = made.get(bytes(node[1][0]), {})
        found += [labels for each in node.get(5, ()) if (labels := _label_list(_parsed(each)))]
    return found[0] if found and all(labels == found[0] for labels in found) else None


def _label_list(attribute: Message) -> list[Any]:
    if bytes(attribute.get(1, [b""])[-1]) not in _LABELS:
        return []
    if 9 in attribute:
        return [bytes(each).decode() for each in attribute[9]]
    return list(_integers(attribute.get(8, [])))


def _integers(values: Sequence[Any]) -> Iterator[int]:
    """The values of a repeated field, one by one or packed."""
    for each in values:
        at = 0
        packed = not isinstance(each, int)
        while packed and at < len(each):
            value, at = _varint(each, at)
            yield _signed(value)
        if not packed:
            yield _signed(each)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
