"""Breakpoints of a transformer's output columns, mapped back to its input columns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import numpy as np

from flask_skmodels.estimators.attributes import is_a
from flask_skmodels.schema.types import Estimator, FieldValue, FloatArray

Breakpoints = list[list[FieldValue]]
"""Some values for each column."""


def map_back(step: Estimator, breakpoints: Breakpoints, width: int) -> Breakpoints:
    """Return the values of a transformer's input columns that result in given values of its output.

    :param step: a fitted transformer; values that cannot be inverted are left out
    :param breakpoints: values of each output column
    :param width: the number of input columns
    """
    if step is None or isinstance(step, str) or is_a(step, "_BaseImputer"):
        return (breakpoints + [[] for _ in range(width)])[:width]
    if is_a(step, "Pipeline"):
        return _through_pipeline([each for _, each in step.steps], breakpoints, width)
    if is_a(step, "ColumnTransformer"):
        return _through_column_transformer(step, breakpoints, width)
    if is_a(step, "SelectorMixin"):
        return _through_selector(step, breakpoints, width)
    return _inverse_transform(step, breakpoints, width)


def _through_pipeline(
    steps: Sequence[Estimator], breakpoints: Breakpoints, width: int
) -> Breakpoints:
    for index in reversed(range(len(steps))):
        step_width = getattr(steps[index], "n_features_in_", width) if index else width
        breakpoints = map_back(steps[index], breakpoints, step_width)
    return breakpoints


def _through_column_transformer(
    step: Estimator, breakpoints: Breakpoints, width: int
) -> Breakpoints:
    inputs: Breakpoints = [[] for _ in range(width)]
    for name, part, _ in step.transformers_:
        indices = list(step._transformer_to_input_indices.get(name, ()))
        if part == "drop" or not indices:
            continue
        with suppress(Exception):  # another part may still be invertible
            values = map_back(part, breakpoints[step.output_indices_[name]], len(indices))
            for index, column in zip(indices, values, strict=True):
                inputs[index] += column
    return inputs


def _through_selector(step: Estimator, breakpoints: Breakpoints, width: int) -> Breakpoints:
    inputs: Breakpoints = [[] for _ in range(width)]
    for index, values in zip(step.get_support(indices=True), breakpoints, strict=True):
        inputs[index] = values
    return inputs


def _inverse_transform(step: Estimator, breakpoints: Breakpoints, width: int) -> Breakpoints:
    rows = max(map(len, breakpoints), default=0)
    if not rows:
        return [[] for _ in range(width)]
    table = np.zeros((rows, len(breakpoints)))
    for index, values in enumerate(breakpoints):
        if values:
            table[:, index] = np.resize(np.array(values, dtype=np.float64), rows)
    inverse: FloatArray = step.inverse_transform(table)
    return [column.tolist() for column in inverse.T]
