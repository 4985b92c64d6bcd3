"""ONNX Runtime: an estimator converted to a graph, near to it and not equal."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.artifacts.declaration import ONNX_TOLERANCE
from flask_skmodels.artifacts.onnx import OnnxModel
from flask_skmodels.artifacts.onnx_session import run_aside
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes
from flask_skmodels.engines.lean.verify import accepted
from flask_skmodels.errors import ModelError
from flask_skmodels.estimators import introspect
from flask_skmodels.models import Model
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.schema import Schema

Call = Callable[[Any], Any]
Feed = dict[str, NDArray[Any]]
_ALL = "X"  # the one input for all columns
_MISSING = "engine = 'onnx' needs skl2onnx and onnxruntime: pip install 'Flask-SKModels[onnx]'"


@dataclass(frozen=True, slots=True)
class Difference:
    """How far the answers of a graph are from the estimator's own, on probe rows.

    :param rows: how many rows were compared
    :param numbers: the largest difference of two numbers, as a part of the estimator's own where
        that is above 1
    :param labels: the share of the rows that have another label
    """

    rows: int
    numbers: float
    labels: float

    def describe(self) -> dict[str, Any]:
        """Return it for a client."""
        return {
            "rows": self.rows,
            "largest_difference": self.numbers,
            "differing_labels": self.labels,
        }

    @property
    def largest(self) -> float:
        """What the tolerance bounds."""
        return max(self.numbers, self.labels)

    def check(self, tolerance: float) -> None:
        """Raise ModelError where it is above a tolerance."""
        if not self.largest <= tolerance:
            raise ModelError(
                f"ONNX Runtime differs from the estimator on {self.rows} rows: by "
                f"{self.numbers:.3g} at most in numbers, and in {self.labels:.3%} of the labels; "
                f"SKMODELS_ONNX_TOLERANCE is {tolerance:g}"
            )


def onnx_calls(
    model: Model, own: Mapping[str, Call], schema: Schema
) -> tuple[dict[str, Call], Difference]:
    """Return the methods of an estimator that its graph has, and how far they are from its own.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param own: the estimator's methods that are served
    :param schema: of the rows
    :raises ModelError: the estimator cannot be converted, or the graph not be run
    """
    graph, difference, expected = converted(model, own, schema)
    return {
        method: _call(graph, output, expected[method])
        for method, output in _outputs(graph, expected).items()
    }, difference


def converted(
    model: Model, own: Mapping[str, Call], schema: Schema
) -> tuple[OnnxModel, Difference, Mapping[str, Any]]:
    """Return the graph of an estimator, how far it is from it, and the estimator's own answers.

    :param model: as of :func:`onnx_calls`
    :param own: likewise
    :param schema: likewise
    :raises ModelError: the estimator cannot be converted, or the graph not be run
    """
    _check_installed()
    try:
        probes = Probes(schema, model.pipeline, model.examples)
        rows = accepted(_refuse, next(iter(own.values())), probes)
    except Decline as why:
        raise ModelError(f"it cannot be compared with the estimator: {why}") from why
    X = probes.build(rows)
    expected = {method: call(X) for method, call in own.items()}
    graph, difference = _nearest(model.pipeline, X, expected)
    return graph, difference, expected


def _outputs(graph: OnnxModel, methods: Iterable[str]) -> dict[str, str]:
    """Return the output that gives a method's answers, for the methods that the graph has."""
    return {m: name for m in methods if (name := graph.output_of(m)) is not None}


def _check_installed() -> None:
    # Not by an import: that of ONNX Runtime starts a thread.
    if not all(map(importlib.util.find_spec, ("skl2onnx", "onnxruntime"))):
        raise ModelError(_MISSING)


def _refuse(X: Any) -> Any:
    raise Decline("it is the estimator that is asked")


def _nearest(estimator: Any, X: Any, expected: Mapping[str, Any]) -> tuple[OnnxModel, Difference]:
    """Return the graph that is nearest to the estimator, or the first that is near enough."""
    found: list[tuple[OnnxModel, Difference]] = []
    reasons: list[str] = []
    for attempt in _attempts(estimator, X):
        try:
            found.append(_compared(estimator, attempt(), X, expected))
        except Exception as error:  # of the converter and of ONNX Runtime: they have many
            lines = str(error).strip().splitlines() or [""]
            reasons.append(f"{type(error).__name__}: {lines[0][:200]}")
        else:
            if found[-1][1].largest <= ONNX_TOLERANCE:
                break
    if not found:
        raise ModelError(f"it cannot be converted to ONNX: {'; '.join(dict.fromkeys(reasons))}")
    return min(found, key=lambda each: each[1].largest)


def _compared(
    estimator: Any, data: bytes, X: Any, expected: Mapping[str, Any]
) -> tuple[OnnxModel, Difference]:
    graph = OnnxModel(Path(introspect.class_name(estimator)), data)
    outputs = _outputs(graph, expected)
    if not outputs:
        raise ModelError(f"the graph has none of the methods {', '.join(expected)}")
    found = run_aside(data, graph.cast(feed_of(X, graph.input_names)))
    answers = {method: _as(expected[method], found[name]) for method, name in outputs.items()}
    return graph, _difference({method: expected[method] for method in outputs}, answers)


def _attempts(estimator: Any, X: Any) -> Iterator[Callable[[], bytes]]:
    """Yield conversions, the most precise first.

    Operators of trees take single precision alone: as scikit-learn's own trees do, they are given
    doubles that are rounded just before them.
    """
    for types in _ways_in(X):
        yield partial(_converted, estimator, types(single=False))
        yield partial(_converted, _rounded_before_the_last(estimator), types(single=False))
        yield partial(_converted, estimator, types(single=True))


def _converted(estimator: Any, types: Sequence[tuple[str, Any]]) -> bytes:
    from skl2onnx import to_onnx

    is_classifier = hasattr(estimator, "predict_proba")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = to_onnx(
            estimator,
            initial_types=list(types),
            options={"zipmap": False} if is_classifier else None,
        )
    data: bytes = graph.SerializeToString()
    return data


def _rounded_before_the_last(estimator: Any) -> Any:
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    steps = list(getattr(estimator, "steps", [("last", estimator)]))
    rounding = ("round", CastTransformer(dtype=np.float32).fit(np.zeros((1, 1))))
    return Pipeline([*steps[:-1], rounding, steps[-1]])


def _ways_in(X: Any) -> list[Callable[..., list[tuple[str, Any]]]]:
    """Return the inputs that a graph may have for X: one a column of a data frame, or one for all.

    What takes its columns by name needs the first, what takes numbers alone the second.
    """
    if not isinstance(X, DeferredFrame):
        return [partial(_whole, np.shape(X)[1])]
    by_column = partial(_columns, X)
    are_numbers = all(field.is_number for field in X.fields)
    return [by_column, partial(_whole, len(X.fields))] if are_numbers else [by_column]


def _whole(width: int, *, single: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types as of

    number = of.FloatTensorType if single else of.DoubleTensorType
    return [(_ALL, number([None, width]))]


def _columns(X: DeferredFrame, *, single: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types as of

    types = {
        "number": of.FloatTensorType if single else of.DoubleTensorType,
        "integer": of.Int64TensorType,
        "string": of.StringTensorType,
        "boolean": of.BooleanTensorType,
    }
    return [(f.column.name, types.get(f.kind, types["number"])([None, 1])) for f in X.fields]


def feed_of(X: Any, inputs: Sequence[str]) -> Feed:
    """Return X by the inputs of its graph; a missing text is an empty one."""
    if not isinstance(X, DeferredFrame):
        return {_ALL: np.asarray(X, dtype=np.float64)}
    if list(inputs) == [_ALL]:
        return {_ALL: X.to_float64()}
    return {
        field.column.name: _column(field.kind, X.column(place))
        for place, field in enumerate(X.fields)
    }


def _column(kind: str, values: Sequence[Any]) -> NDArray[Any]:
    if kind == "string":
        texts = [value if isinstance(value, str) else "" for value in values]
        return np.array(texts, dtype=object).reshape(-1, 1)
    return np.array(values, dtype=np.int64 if kind == "integer" else np.float64).reshape(-1, 1)


def _call(graph: OnnxModel, output: str, like: Any) -> Call:
    return lambda X: _as(like, graph.run(output, graph.cast(feed_of(X, graph.input_names))))


def _as(like: Any, found: Any) -> NDArray[Any]:
    """Return an answer in the shape and of the type of the estimator's own."""
    answer = np.asarray(found)
    return answer.reshape((len(answer), *like.shape[1:])).astype(like.dtype)


def _difference(expected: Mapping[str, Any], found: Mapping[str, Any]) -> Difference:
    numbers, labels = 0.0, 0.0
    for method, own in expected.items():
        if own.dtype.kind == "f":
            numbers = max(numbers, _largest(own, found[method]))
        else:
            differs = (own != found[method]).reshape(len(own), -1).any(axis=1)
            labels = max(labels, float(differs.mean()))
    return Difference(len(next(iter(expected.values()))), numbers, labels)


def _largest(own: NDArray[Any], found: NDArray[Any]) -> float:
    same = (own == found) | (np.isnan(own) & np.isnan(found))
    differences = np.abs(found - own) / np.maximum(1.0, np.abs(own))
    largest = np.where(same, 0.0, np.where(np.isnan(differences), np.inf, differences))
    return float(largest.max(initial=0.0))
