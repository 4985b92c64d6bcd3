"""A graph of ONNX as an estimator, run by ONNX Runtime.

The graph is described without running it, so that loading starts no thread: the session is created
by the first call in each process, after any fork. The package ``onnx`` is imported when a graph is
loaded.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from sklearn.utils.metaestimators import available_if

from flask_skmodels.artifacts.onnx_graph import checked_graph
from flask_skmodels.artifacts.onnx_session import start
from flask_skmodels.exceptions import ArtifactError, in_one_line
from flask_skmodels.schema.types import Array, EstimatorInput, JSONObject

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ValueInfoProto

_PASSES_ON = frozenset({"Cast", "Identity"})
_LABELS = frozenset({"classlabels_ints", "classlabels_int64s", "classlabels_strings"})

Feed = dict[str, Array]
Method = TypeVar("Method", bound=Callable[..., Any])


def read_onnx(path: Path, data: bytes) -> OnnxModel:
    """Return the estimator for a file of ONNX.

    :param path: the file, for the messages
    :param data: its bytes
    :raises ArtifactError: it is not a graph, or keeps its weights in other files
    """
    from google.protobuf.message import DecodeError

    try:
        return OnnxModel(path, data)
    except (DecodeError, ValueError, IndexError, KeyError, struct.error) as error:
        raise ArtifactError(path, f"it is not a file of ONNX: {in_one_line(error)}") from error


def _if_output(output: str) -> Callable[[Method], Method]:
    """Give a model a method only if its graph has the output for it."""
    decorator: Callable[[Method], Method] = available_if(lambda model: vars(model)[output])
    return decorator


class OnnxModel:
    """A graph of ONNX with the methods of an estimator.

    :param path: the file, for the messages
    :param data: the bytes of the graph
    :raises ArtifactError: it refers to other files, or the checker of ONNX refuses it
    :raises ValueError: it is not a graph with an output
    :ivar n_features_in_: number of columns, if the graph contains it
    :ivar feature_names_in_: names of the columns, if each is a separate input
    :ivar data: the bytes of the graph that was checked, from which sessions are created
    :ivar classes_: the classes, if the graph names them
    """

    def __init__(self, path: Path, data: bytes) -> None:
        model, self.data = checked_graph(path, data)
        graph, self._path = model.graph, path
        self._session: tuple[int, Any] = (0, None)
        weights = {tensor.name for tensor in graph.initializer}
        self._inputs = [_value(each) for each in graph.input if each.name not in weights]
        outputs = [_value(each) for each in graph.output]
        self._probabilities = next((o.name for o in outputs if o.is_probability), None)
        self._labels = next((o.name for o in outputs if o.name != self._probabilities), None)
        self._describe_columns()
        if classes := _classes(graph, {self._probabilities, self._labels}):
            self.classes_ = np.array(classes)

    def _describe_columns(self) -> None:
        widths = [each.width for each in self._inputs]
        known = [width for width in widths if width is not None]
        if known and known == widths:
            self.n_features_in_ = sum(known)
        if len(widths) > 1 and set(widths) == {1}:
            self.feature_names_in_ = np.array(self.input_names, dtype=object)

    @_if_output("_labels")
    def predict(self, X: EstimatorInput) -> Array:
        """Return the first output of the graph that is not a probability.

        :param X: array or data frame of shape (rows, columns)
        :returns: array of shape (rows,), or (rows, outputs) if there is more than one
        """
        result = np.asarray(self._run(self._labels, X))
        result = result[:, 0] if result.ndim == 2 and result.shape[1] == 1 else result
        return result.astype(str) if result.dtype == object else result

    @_if_output("_probabilities")
    def predict_proba(self, X: EstimatorInput) -> Array:
        """Return the probability of each class.

        :param X: array or data frame of shape (rows, columns)
        :returns: array of shape (rows, classes), mostly float32
        """
        result = self._run(self._probabilities, X)
        if isinstance(result, list):  # scikit-learn's converter makes a dictionary for each row
            keys = list(getattr(self, "classes_", result[0] if result else ()))
            return np.array([[row[key] for key in keys] for row in result], dtype=np.float32)
        return np.asarray(result)

    def __getstate__(self) -> JSONObject:
        return {**self.__dict__, "_session": (0, None)}

    @property
    def input_names(self) -> list[str]:
        """The names of its inputs, in their order."""
        return [each.name for each in self._inputs]

    def output_of(self, method: str) -> str | None:
        """Return the name of the output for a method, None if the graph has none."""
        if method == "predict_proba":
            return self._probabilities
        return self._labels if method in ("predict", "transform") else None

    def run(self, output: str | None, feed: Mapping[str, Array]) -> Any:
        """Return one output, computed by the session of this process.

        :param output: its name
        :param feed: an array for each input
        """
        return self._session_of_process().run([output], feed)[0]

    def cast(self, feed: Mapping[str, Array]) -> Feed:
        """Return an array for each input, of the dtype that the graph takes.

        :raises ValueError: a fraction would be cut off
        """
        return {each.name: each.cast(feed[each.name]) for each in self._inputs}

    def _run(self, output: str | None, X: EstimatorInput) -> Any:
        return self.run(output, self._feed(X))

    def _session_of_process(self) -> Any:
        """Return the session of this process; a forked process cannot use its parent's."""
        process, session = self._session
        if session is None or process != os.getpid():
            session = _start(self._path, self.data)
            self._session = (os.getpid(), session)
        return session

    def _feed(self, X: EstimatorInput) -> Feed:
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
    """An input or an output of a graph.

    :param name: its name
    :param dtype: the dtype of its tensor, None if it is not a tensor
    :param shape: the sizes of its dimensions; None for a size that the graph does not fix
    """

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...]

    @property
    def width(self) -> int | None:
        """The number of columns, None if the graph does not fix it."""
        return 1 if len(self.shape) == 1 else self.shape[1] if len(self.shape) == 2 else None

    @property
    def is_probability(self) -> bool:
        """True for a dictionary of classes, and for floats whose name says so."""
        is_float = self.dtype in (np.float32, np.float64)
        return self.dtype is None or (is_float and "prob" in self.name.lower())

    def cast(self, values: Array) -> Array:
        """Return values in the dtype and shape of this input.

        :raises ValueError: a fraction would be cut off
        """
        with np.errstate(over="ignore", invalid="ignore"):
            cast = values.astype(self.dtype)
        if np.issubdtype(cast.dtype, np.integer) and not np.array_equal(cast, values):
            raise ValueError(
                f"input {self.name} takes only whole numbers, but a value has a fraction"
            )
        return cast.reshape(-1) if len(self.shape) == 1 else np.ascontiguousarray(cast)


def _start(path: Path, data: bytes) -> Any:
    try:
        return start(data)
    except Exception as error:  # its exceptions have no common base class
        raise ArtifactError(path, f"ONNX Runtime refuses it: {in_one_line(error)}") from error


def _value(value: ValueInfoProto) -> _Value:
    from onnx.helper import tensor_dtype_to_np_dtype

    if not value.type.HasField("tensor_type"):
        return _Value(value.name, None, ())
    tensor = value.type.tensor_type
    shape = tuple(size.dim_value or None for size in tensor.shape.dim)
    return _Value(value.name, tensor_dtype_to_np_dtype(tensor.elem_type), shape)


def _classes(graph: GraphProto, outputs: set[str | None]) -> list[str] | list[int] | None:
    """Return the classes that the nodes behind the outputs name, if they all name the same."""
    nodes = {output: node for node in graph.node for output in node.output}
    lists: list[list[str] | list[int]] = []
    for name in filter(None, outputs):
        node = nodes.get(name)
        for _ in graph.node:  # no path is longer, but a corrupt graph may go in circles
            if node is not None and node.op_type in _PASSES_ON:
                node = nodes.get(node.input[0])
        attributes = () if node is None else node.attribute
        lists += [labels for each in attributes if (labels := _labels(each))]
    return lists[0] if lists and all(labels == lists[0] for labels in lists) else None


def _labels(attribute: AttributeProto) -> list[str] | list[int]:
    """Return the classes that an attribute of a node lists, empty if it lists none."""
    if attribute.name not in _LABELS:
        return []
    if attribute.strings:
        return [label.decode() for label in attribute.strings]
    return list(attribute.ints)
