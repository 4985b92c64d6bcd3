"""The ONNX engine: an estimator converted to a graph, with results close to the estimator's."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from flask_skmodels.artifacts.declaration import ONNX_TOLERANCE
from flask_skmodels.artifacts.onnx import OnnxModel
from flask_skmodels.artifacts.onnx_session import run_in_subprocess
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes
from flask_skmodels.engines.lean.verify import accepted_rows
from flask_skmodels.engines.native import Call
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.attributes import is_a
from flask_skmodels.exceptions import ModelError
from flask_skmodels.hints import install_line
from flask_skmodels.models import Model
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import (
    Array,
    Estimator,
    JSONObject,
    ModelInput,
    ModelOutput,
    Values,
)

Feed = dict[str, Array]
_ALL = "X"  # the name of the input if the graph has one input for all columns
_MISSING = "engine = 'onnx' needs skl2onnx and onnxruntime"


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between the results of a graph and of its estimator, measured on probe rows.

    :param rows: the number of rows that were compared
    :param numbers: the largest difference of two numbers, divided by the estimator's number if its
        absolute value is larger than 1
    :param labels: the share of rows with a different label, from 0 to 1
    """

    rows: int
    numbers: float
    labels: float

    def describe(self) -> JSONObject:
        """Return the JSON object that describes the difference to clients."""
        return {
            "rows": self.rows,
            "largest_difference": self.numbers,
            "differing_labels": self.labels,
        }

    @property
    def largest(self) -> float:
        """The value that must not exceed the tolerance."""
        return max(self.numbers, self.labels)

    def check(self, tolerance: float) -> None:
        """Raise ModelError if the difference is larger than the tolerance."""
        if not self.largest <= tolerance:
            raise ModelError(
                f"ONNX Runtime was compared with the estimator on {self.rows} rows: numbers differ "
                "by up to "
                f"{self.numbers:.3g}, labels differ in {self.labels:.3%} of the rows. "
                f"SKMODELS_ONNX_TOLERANCE allows {tolerance:g}"
            )


def onnx_calls(
    model: Model, native: Mapping[str, Call], schema: Schema
) -> tuple[dict[str, Call], Difference]:
    """Return a function of X for each method of the graph, and the difference from the estimator.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param native: the native methods that are served
    :param schema: the schema of the rows
    :raises ModelError: the estimator cannot be converted, or the graph cannot be run
    """
    graph, difference, expected = convert_to_onnx(model, native, schema)
    return {
        method: _call(graph, output, expected[method])
        for method, output in _output_names(graph, expected).items()
    }, difference


def convert_to_onnx(
    model: Model, native: Mapping[str, Call], schema: Schema
) -> tuple[OnnxModel, Difference, Mapping[str, ModelOutput]]:
    """Return the graph of an estimator, the difference, and the estimator's results for the probes.

    :param model: as for :func:`onnx_calls`
    :param native: as for :func:`onnx_calls`
    :param schema: as for :func:`onnx_calls`
    :raises ModelError: the estimator cannot be converted, or the graph cannot be run
    """
    _check_installed()
    try:
        probes = Probes(schema, model.pipeline, model.examples)
        rows = accepted_rows(_decline, next(iter(native.values())), probes)
    except Decline as why:
        raise ModelError(f"it cannot be compared with the estimator: {why}") from why
    X = probes.build(rows)
    expected = {method: call(X) for method, call in native.items()}
    graph, difference = _closest_graph(model.pipeline, X, expected)
    return graph, difference, expected


def _output_names(graph: OnnxModel, methods: Iterable[str]) -> dict[str, str]:
    """Return the name of the graph's output for each method that the graph has."""
    return {m: name for m in methods if (name := graph.output_of(m)) is not None}


def _check_installed() -> None:
    # Find the packages without importing them: importing ONNX Runtime starts a thread.
    if not all(map(importlib.util.find_spec, ("skl2onnx", "onnxruntime"))):
        raise ModelError(f"{_MISSING}: {install_line('onnx')}")


def _decline(X: ModelInput) -> ModelOutput:
    raise Decline("there is no graph yet; only the estimator is called")


def _closest_graph(
    estimator: Estimator, X: ModelInput, expected: Mapping[str, ModelOutput]
) -> tuple[OnnxModel, Difference]:
    """Return the first conversion whose outputs are within the default tolerance.

    If there is none, return the conversion with the smallest difference.
    """
    results: list[tuple[OnnxModel, Difference]] = []
    reasons: list[str] = []
    for attempt in _conversions(estimator, X):
        try:
            results.append(_compared(estimator, attempt(), X, expected))
        except Exception as error:  # the converter and ONNX Runtime raise many types
            lines = str(error).strip().splitlines() or [""]
            reasons.append(f"{type(error).__name__}: {lines[0][:200]}")
        else:
            if results[-1][1].largest <= ONNX_TOLERANCE:
                break
    if not results:
        raise ModelError(f"it cannot be converted to ONNX: {'; '.join(dict.fromkeys(reasons))}")
    return min(results, key=lambda each: each[1].largest)


def _compared(
    estimator: Estimator, data: bytes, X: ModelInput, expected: Mapping[str, ModelOutput]
) -> tuple[OnnxModel, Difference]:
    graph = OnnxModel(Path(introspect.class_name(estimator)), data)
    names = _output_names(graph, expected)
    if not names:
        raise ModelError(f"the graph has none of the methods {', '.join(expected)}")
    outputs = run_in_subprocess(data, graph.cast(feed(X, graph.input_names)))
    results = {method: _like(expected[method], outputs[name]) for method, name in names.items()}
    return graph, _difference({method: expected[method] for method in names}, results)


def _conversions(estimator: Estimator, X: ModelInput) -> Iterator[Callable[[], bytes]]:
    """Yield functions that convert the estimator, the most precise conversion first.

    The ONNX operators of trees only take single precision. scikit-learn's trees also round doubles
    to single precision, so the second conversion rounds right before the last step.
    """
    for types in _input_types(X):
        yield partial(_convert, estimator, types(single=False))
        yield partial(_convert, _with_rounding_before_last_step(estimator), types(single=False))
        yield partial(_convert, estimator, types(single=True))


def _convert(estimator: Estimator, types: Sequence[tuple[str, Any]]) -> bytes:
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


def _with_rounding_before_last_step(estimator: Estimator) -> Estimator:
    from skl2onnx.sklapi import CastTransformer
    from sklearn.pipeline import Pipeline

    steps = list(estimator.steps) if is_a(estimator, "Pipeline") else [("last", estimator)]
    rounding = ("round", CastTransformer(dtype=np.float32).fit(np.zeros((1, 1))))
    return Pipeline([*steps[:-1], rounding, steps[-1]])


def _input_types(X: ModelInput) -> list[Callable[..., list[tuple[str, Any]]]]:
    """Return the possible inputs of the graph: one for each column of a data frame, or one for all.

    An estimator that selects columns by name needs one for each column; an estimator that takes
    only numbers needs one for all.
    """
    if not isinstance(X, DeferredFrame):
        return [partial(_one_input, np.asarray(X).shape[1])]
    by_column = partial(_input_per_column, X)
    if not all(field.is_number for field in X.fields):
        return [by_column]
    return [by_column, partial(_one_input, len(X.fields))]


def _one_input(width: int, *, single: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    number = data_types.FloatTensorType if single else data_types.DoubleTensorType
    return [(_ALL, number([None, width]))]


def _input_per_column(X: DeferredFrame, *, single: bool) -> list[tuple[str, Any]]:
    from skl2onnx.common import data_types

    types = {
        "number": data_types.FloatTensorType if single else data_types.DoubleTensorType,
        "integer": data_types.Int64TensorType,
        "string": data_types.StringTensorType,
        "boolean": data_types.BooleanTensorType,
    }
    return [(f.column.name, types.get(f.kind, types["number"])([None, 1])) for f in X.fields]


def feed(X: ModelInput, inputs: Sequence[str]) -> Feed:
    """Return the arrays of X by the names of the graph's inputs. A missing text becomes empty."""
    if not isinstance(X, DeferredFrame):
        return {_ALL: np.asarray(X, dtype=np.float64)}
    if list(inputs) == [_ALL]:
        return {_ALL: X.to_float64()}
    return {
        field.column.name: _column(field.kind, X.column(index))
        for index, field in enumerate(X.fields)
    }


def _column(kind: str, values: Values) -> Array:
    if kind == "string":
        texts = [value if isinstance(value, str) else "" for value in values]
        return np.array(texts, dtype=object).reshape(-1, 1)
    return np.array(values, dtype=np.int64 if kind == "integer" else np.float64).reshape(-1, 1)


def _call(graph: OnnxModel, output: str, like: ModelOutput) -> Call:
    return lambda X: _like(like, graph.run(output, graph.cast(feed(X, graph.input_names))))


def _like(like: ModelOutput, output: ModelOutput) -> Array:
    """Return an output of the graph in the shape and dtype of the estimator's output."""
    array = np.asarray(output)
    return array.reshape((len(array), *like.shape[1:])).astype(like.dtype)


def _difference(
    expected: Mapping[str, ModelOutput], results: Mapping[str, ModelOutput]
) -> Difference:
    numbers, labels = 0.0, 0.0
    for method, native in expected.items():
        if native.dtype.kind == "f":
            numbers = max(numbers, _largest_difference(native, results[method]))
        else:
            differs = (native != results[method]).reshape(len(native), -1).any(axis=1)
            labels = max(labels, float(differs.mean()))
    return Difference(len(next(iter(expected.values()))), numbers, labels)


def _largest_difference(expected: Array, result: Array) -> float:
    same = (expected == result) | (np.isnan(expected) & np.isnan(result))
    differences = np.abs(result - expected) / np.maximum(1.0, np.abs(expected))
    differences = np.where(np.isnan(differences), np.inf, differences)
    return float(np.where(same, 0.0, differences).max(initial=0.0))
