"""The outputs of an estimator as plain lists or arrays, and as named columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from math import prod
from typing import Any

import numpy as np

from flask_skmodels.schema.types import Array, ColumnValues, JSONValue, ModelOutput, Values

_METHODS_OF_SEVERAL_COLUMNS = frozenset({"predict_proba", "predict_log_proba", "transform"})
_TEXTS = (np.ndarray, list, tuple)  # the containers of outputs that may be texts
_UNCHANGED = frozenset(map(np.dtype, (np.float64, np.int64, np.int32)))
_FINER_THAN_MICROSECONDS = {"ns", "ps", "fs", "as"}  # tolist returns such times as integers


def is_multi_output(outputs: ModelOutput) -> bool:
    """Return whether outputs are a list of arrays of shape (rows, classes), one for each output."""
    if not isinstance(outputs, list) or not outputs:
        return False
    return all(isinstance(part, np.ndarray) and part.ndim == 2 for part in outputs)


def output_width(outputs: ModelOutput) -> int:
    """Return the number of cells of each row of outputs; if rows differ, of the longest row."""
    if is_multi_output(outputs):
        return sum(part.shape[1] for part in outputs)
    if hasattr(outputs, "shape"):
        return prod(outputs.shape[1:])
    return max((len(row) for row in outputs if isinstance(row, list | tuple)), default=1)


def bytes_of_texts(outputs: ModelOutput) -> int:
    """Return roughly the number of bytes of the texts among outputs: 1 for each character."""
    if isinstance(outputs, np.ndarray):
        if outputs.dtype.kind in "US":
            return outputs.nbytes
        outputs = outputs.ravel() if outputs.dtype.kind == "O" else ()
    return sum(len(v) for v in outputs if type(v) is str) if isinstance(outputs, _TEXTS) else 0


def as_rows(outputs: ModelOutput, rows: int, method: str) -> ModelOutput:
    """Return outputs as rows.

    For one row, scikit-learn's SparsePCA and scikit-lego's GroupedClassifier return a flat array,
    and others return a single number.

    :param outputs: the outputs of an estimator
    :param rows: the number of rows of X
    :param method: name of the method
    """
    is_single = isinstance(outputs, np.generic | np.ndarray) and outputs.ndim == 0
    if is_single and rows == 1:
        return np.reshape(outputs, 1)
    is_flat = method in _METHODS_OF_SEVERAL_COLUMNS and getattr(outputs, "ndim", 0) == 1
    if is_flat and rows == 1 and len(outputs) > 1:
        return np.asarray(outputs)[np.newaxis]
    return outputs


def has_rows(outputs: ModelOutput, rows: int) -> bool:
    """Return whether outputs have one entry for each row; of several outputs, all must."""
    parts = outputs if is_multi_output(outputs) else (outputs,)
    return all(_length(part) == rows for part in parts)


def _length(outputs: ModelOutput) -> int | None:
    if isinstance(outputs, list | tuple):
        return len(outputs)
    shape = getattr(outputs, "shape", None) or np.shape(outputs)
    return shape[0] if shape else None


def plain_outputs(outputs: ModelOutput) -> ModelOutput:
    """Return the outputs of an estimator as nested lists, or as an array that JSON can represent.

    Sparse matrices become dense, data frames become arrays, and floats become doubles (which
    represent narrower floats exactly). Several outputs stay a list with one entry for each.

    :param outputs: array, sparse matrix, data frame or list, or a list of arrays
    :returns: a C-ordered array of numbers or booleans; nested lists for any other values
    """
    if type(outputs) is np.ndarray:
        is_plain = outputs.dtype in _UNCHANGED
        return np.ascontiguousarray(outputs) if is_plain else _plain_array(outputs)
    if is_multi_output(outputs):
        return [plain_outputs(part) for part in outputs]
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    if hasattr(outputs, "to_numpy"):
        outputs = outputs.to_numpy()
    if isinstance(outputs, list | tuple):
        return _plain(outputs)  # an array would convert values of several types to one type
    return _plain_array(np.asarray(outputs))


def _plain_array(array: Array) -> ModelOutput:
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float64)
    if array.dtype.kind in "iub":
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.dtype.kind in "mM" and np.datetime_data(array.dtype)[0] in _FINER_THAN_MICROSECONDS:
        array = array.astype(f"{array.dtype.kind}8[us]")
    return _plain(array.tolist())


def _plain(value: object) -> JSONValue:
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def output_columns(outputs: ModelOutput, classes: Values) -> list[tuple[str, ColumnValues]]:
    """Return the outputs of an estimator as named columns.

    One column is called ``prediction``, several ``prediction_0`` and so on. Columns that stand for
    classes have the names of the classes. With several outputs the number of the output comes
    first: ``0_setosa``.

    :param outputs: the return value of an estimator's method, with one entry for each row
    :param classes: the classes that the columns stand for (a list of lists for several outputs);
        empty if the columns are not classes
    :returns: the name of each column and its values: an array of numbers or booleans as the
        estimator made them, or a list. Rows that are not a table (of different lengths, empty or
        nested) are one column of lists.
    """
    if not is_multi_output(outputs):
        return _named(_split_columns(outputs), classes, "")
    columns = []
    for index, part in enumerate(outputs):
        part_classes = classes[index] if index < len(classes) else []
        columns += _named(_split_columns(part), part_classes, f"{index}_")
    return columns


def _named(
    columns: list[ColumnValues], classes: Any, prefix: str
) -> list[tuple[str, ColumnValues]]:
    is_one_output = isinstance(classes, list) and not any(isinstance(c, list) for c in classes)
    if is_one_output and len(columns) == len(classes) > 1:
        names = [f"{prefix}{label}" for label in classes]
    elif prefix:
        names = [f"{prefix}{index}" for index in range(len(columns))]
    elif len(columns) == 1:
        names = ["prediction"]
    else:
        names = [f"prediction_{index}" for index in range(len(columns))]
    return list(zip(names, columns, strict=True))


def _split_columns(outputs: ModelOutput) -> list[ColumnValues]:
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    array = outputs if _is_portable(outputs) else plain_outputs(outputs)
    if isinstance(array, np.ndarray) and array.ndim <= 2 and array.size:
        return [array] if array.ndim == 1 else list(array.T)
    rows = array.tolist() if isinstance(array, np.ndarray) else array
    return [list(column) for column in zip(*rows, strict=True)] if _is_table(rows) else [rows]


def _is_portable(outputs: ModelOutput) -> bool:
    """Return whether outputs are an array of a dtype that every format can write unchanged."""
    if not isinstance(outputs, np.ndarray):
        return False
    dtype = outputs.dtype
    return dtype.kind in "fiub" and dtype.itemsize <= 8 and dtype.isnative


def _is_table(rows: Values) -> bool:
    """Return whether rows are lists of the same length, of at least one value and not nested."""
    if set(map(type, rows)) != {list} or len(set(map(len, rows))) > 1 or not rows[0]:
        return False
    return not any(isinstance(value, list) for row in rows for value in row)
