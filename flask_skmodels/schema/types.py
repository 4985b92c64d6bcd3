"""Names for types that are used in the whole library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.schema.tabular import Tabular

Array: TypeAlias = NDArray[Any]
FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]

FieldValue: TypeAlias = Any
"""The value of one field in one row: a number, a text, a boolean, a date, a time or None.

It is an alias of ``Any``, because a schema may convert to any type.
"""

Values: TypeAlias = Sequence[FieldValue]
"""The values of one column, or of one row."""

ColumnValues: TypeAlias = Values | Array
"""The values of one column: a sequence, or an array of shape (rows,)."""

Rules: TypeAlias = Mapping[str, Any]
"""The Cerberus rules of one field, by the name of the rule."""

FieldRules: TypeAlias = Mapping[str, Rules]
"""The rules of each field of a schema, by the name of the field."""

JSONValue: TypeAlias = Any
"""A JSON document, or a part of one: an object, a list, a text, a number, a boolean or None."""

JSONObject: TypeAlias = dict[str, JSONValue]
"""A JSON object, for example a JSON Schema."""

JSONMapping: TypeAlias = Mapping[str, JSONValue]
"""A JSON object that is only read."""

Keywords: TypeAlias = dict[str, Any]
"""Arguments of a function or attributes of an object, by name."""

ModelInput: TypeAlias = Array | Tabular | list[FieldValue]
"""X, the validated input: an array, a container of this library, or a list of texts or mappings."""

EstimatorInput: TypeAlias = Any
"""X as scikit-learn takes it: an array, a data frame, a sparse matrix or a list.

It is an alias of ``Any``, because other libraries make it.
"""

ModelOutput: TypeAlias = Any
"""The result of an estimator's method: an array, a list of arrays, a sparse matrix or a data frame.

The length is the number of rows; a list of arrays has one array for each output. It is an alias of
``Any``, because any library may have made the result.
"""

Estimator: TypeAlias = Any
"""A fitted scikit-learn estimator, or an object with the same methods.

It is an alias of ``Any``, because scikit-learn has no type hints.
"""

# Objects of libraries without type hints.

Frame: TypeAlias = Any
"""A data frame of pandas or polars."""

Series: TypeAlias = Any
"""A column of a data frame."""

DType: TypeAlias = Any
"""A dtype of NumPy, pandas or polars."""

ArrowTable: TypeAlias = Any
"""A table or a record batch of pyarrow."""

ArrowColumn: TypeAlias = Any
"""An array or a chunked array of pyarrow."""

ArrowSchema: TypeAlias = Any
"""A schema of pyarrow."""

ArrowType: TypeAlias = Any
"""A data type of pyarrow."""
