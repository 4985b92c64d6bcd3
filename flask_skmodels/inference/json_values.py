"""The rows and outputs of a prediction as values that JSON can represent, for logs and tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, time
from math import isfinite

import numpy as np

from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.schema.tabular import Tabular
from flask_skmodels.schema.types import JSONValue, ModelInput, ModelOutput


def json_rows(X: ModelInput, width: int) -> list[JSONValue]:
    """Return X as a list of rows: each a list of values, a text or a mapping.

    :param X: the validated rows
    :param width: the number of columns of a data frame
    """
    if isinstance(X, Tabular):
        columns = X.validated_columns(list(range(width)))
        return [json_value(list(row)) for row in zip(*columns, strict=True)]
    return list(map(json_value, X.tolist() if isinstance(X, np.ndarray) else X))


def json_outputs(outputs: ModelOutput) -> list[JSONValue] | None:
    """Return outputs as a list with an entry for each row.

    If the estimator has several outputs, return one such list for each of them.
    """
    if outputs is None:
        return None
    if is_multi_output(outputs):
        return [json_outputs(part) for part in outputs]
    dense = outputs.toarray() if hasattr(outputs, "toarray") else outputs
    return list(map(json_value, np.asarray(dense, dtype=object).tolist()))


def json_value(value: object) -> JSONValue:
    """Return a value for JSON: None for a missing or infinite number, a text for a date."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): json_value(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if value != value:  # a missing date
        return None
    return value.isoformat() if isinstance(value, date | time) else str(value)
