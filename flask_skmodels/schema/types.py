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

ColumnValues: TypeAlias = Sequence[Any] | Array
"""The values of one column: a sequence, or an array of shape (rows,)."""

Rules: TypeAlias = Mapping[str, Any]
"""The Cerberus rules of one field, by the name of the rule."""

FieldRules: TypeAlias = Mapping[str, Rules]
"""The rules of each field of a schema, by the name of the field."""

JSONObject: TypeAlias = dict[str, Any]
"""A JSON object, for example a JSON Schema."""

ModelInput: TypeAlias = Array | Tabular | list[Any]
"""X, the validated input: an array, a container of this library, or a list of texts or mappings."""

ModelOutput: TypeAlias = Any
"""The result of an estimator's method: an array, a list of arrays, a sparse matrix or a data frame.

The length is the number of rows; a list of arrays has one array for each output. It is an alias of
``Any``, because any library may have made the result.
"""

Estimator: TypeAlias = Any
"""A fitted scikit-learn estimator, or an object with the same methods.

It is an alias of ``Any``, because scikit-learn has no type hints.
"""
