"""Large outputs of an estimator, in parts of some rows: no response is in memory as a whole.

Sparse matrices become dense one part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators.outputs import plain_outputs
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.types import JSONValue, ModelOutput

FEW_CELLS = 2**18  # outputs with more cells are large
_CELLS_OF_A_PART = 2**20
# Texts in JSON cannot contain these.
_PREDICTIONS, _EXPLANATIONS = b'"predictions":[', b'"explanations":['
_KINDS = "fiubUS"  # of dtypes: in parts, they are written in the same way as in one piece


def are_large(outputs: ModelOutput) -> bool:
    """Return whether outputs should be written in parts: they have many cells of a plain dtype.

    Lists, data frames and arrays of objects are never written in parts, because a format may write
    parts of them differently.
    """
    shape, dtype = getattr(outputs, "shape", ()), getattr(outputs, "dtype", None)
    is_plain = type(outputs) is np.ndarray or hasattr(outputs, "tocsr")
    if not is_plain or not isinstance(dtype, np.dtype) or dtype.kind not in _KINDS:
        return False
    return 0 < len(shape) <= 2 and int(np.prod(shape)) > FEW_CELLS


def output_parts(prediction: Prediction, cells: int | None = None) -> Iterator[Prediction]:
    """Yield a prediction with large outputs as predictions of some of its rows.

    :param prediction: the prediction
    :param cells: the maximum number of cells of a part, by default a million
    """
    outputs = prediction.outputs
    rows = outputs if isinstance(outputs, np.ndarray) else outputs.tocsr()
    width = 1 if rows.ndim == 1 else rows.shape[1]
    step = max(1, (cells or _CELLS_OF_A_PART) // width)
    for start in range(0, rows.shape[0], step):
        part = rows[start : start + step]
        dense = part if isinstance(part, np.ndarray) else part.toarray()
        yield replace(prediction, outputs=dense, rows=len(dense))


def entries_of(prediction: Prediction) -> JSONValue:
    """Return the predictions or explanations of a prediction, as values for JSON."""
    if prediction.layout is not None:
        return list(prediction.layout.by_row(prediction.outputs))
    return plain_outputs(prediction.outputs)


def json_parts(prediction: Prediction, document: bytes) -> Iterator[bytes]:
    """Yield a JSON document whose ``predictions`` or ``explanations`` are the large outputs.

    :param prediction: the prediction
    :param document: the document with an empty array of predictions or explanations
    """
    name = _PREDICTIONS if prediction.layout is None else _EXPLANATIONS
    before, _, after = document.partition(name + b"]")
    yield before + name
    separator = b""
    for part in output_parts(prediction):
        yield separator + dumps(entries_of(part))[1:-1]
        separator = b","
    yield b"]" + after
