"""Measures training data: the columns of a frame, an array or a list, one after another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from flask_skmodels.estimators.profile import numpy_columns, pandas_columns, polars_columns
from flask_skmodels.estimators.profile.column_profile import ColumnProfile
from flask_skmodels.estimators.profile.column_summary import ColumnSummary
from flask_skmodels.estimators.profile.estimator_figures import figures_of
from flask_skmodels.estimators.profile.strict_reading import MAX_COLUMNS, MAX_OUTPUTS
from flask_skmodels.exceptions import ModelError
from flask_skmodels.schema.types import Estimator, EstimatorInput, Keywords

_MODULES = {"pandas": ("pandas",), "polars": ("polars",), "array": (), "list": ()}
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def measure(X: EstimatorInput, y: Any = None, estimator: Estimator = None) -> Keywords:
    """Return the attributes of a profile; see :meth:`Profile.of`.

    :raises ModelError: X is of an unknown kind, or has no columns, too many, or two of one name
    """
    container = container_of(X)
    columns = column_profiles(X, container, MAX_COLUMNS)
    if not columns:
        raise ModelError("the training data has no columns")
    figures = None if estimator is None else figures_of(estimator, X)
    return {
        "container": container,
        "library_versions": library_versions(container, estimator),
        "rows": row_count(X),
        "columns": columns,
        "target": output_profiles(y),
        "predictions": () if figures is None else output_profiles(figures.predictions),
        "baseline": None if figures is None else figures.baseline,
    }


def container_of(X: EstimatorInput) -> str:
    """Return the kind of training data, as in :class:`Profile`.

    :raises ModelError: X is of an unknown kind
    """
    if _is_from(X, "pandas"):
        return "list" if X.ndim == 1 else "pandas"
    if _is_from(X, "polars") and hasattr(X, "get_columns"):
        return "polars"
    if isinstance(X, np.ndarray) and X.ndim == 1:
        return "list"
    if (isinstance(X, np.ndarray) and X.ndim == 2) or hasattr(X, "tocsc"):
        return "array"
    if isinstance(X, list | tuple):
        return "list"
    raise ModelError(
        "a profile is made from a data frame of pandas or polars, an array of shape (rows, "
        f"columns) or a list, not from {type(X).__name__}"
    )


def row_count(X: EstimatorInput) -> int:
    """Return the number of rows of training data."""
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def column_profiles(X: EstimatorInput, container: str, most: int) -> tuple[ColumnProfile, ...]:
    """Return the profiles of the columns.

    :param container: the kind of X
    :param most: the maximum number of columns
    :raises ModelError: X has more columns
    """
    return tuple(summary.profile() for summary in _summaries(X, container, most))


def _summaries(X: EstimatorInput, container: str, most: int) -> Iterator[ColumnSummary]:
    if container == "pandas":
        _check_width(X.shape[1], most)
        return pandas_columns.summaries(X)
    if container == "polars":
        _check_width(X.shape[1], most)
        return polars_columns.summaries(X)
    if container == "array":
        _check_width(X.shape[1], most)
        return numpy_columns.summaries(X)
    return _summaries_of_list(X, most)


def _summaries_of_list(X: EstimatorInput, most: int) -> Iterator[ColumnSummary]:
    first: Any = X[0] if len(X) and not _is_from(X, "pandas") else None
    if isinstance(first, Mapping):
        return numpy_columns.summaries_of_mappings(X, most)
    if isinstance(first, list | tuple) or getattr(first, "ndim", 0) == 1:
        _check_width(len(first), most)
        return numpy_columns.summaries_of_rows(X)
    return iter([numpy_columns.summary_of_values(X)])


def _check_width(width: int, most: int) -> None:
    if width > most:
        raise ModelError(f"a profile has at most {most} columns, not {width}")


def output_profiles(y: Any) -> tuple[ColumnProfile, ...]:
    """Return the profiles of the target or of predictions, one column for each output.

    :param y: of shape (rows,) or (rows, outputs); None if there is no target
    """
    if y is None:
        return ()
    if _is_from(y, "pandas"):
        frame = y.to_frame("y" if y.name is None else y.name) if y.ndim == 1 else y
        return column_profiles(frame, "pandas", MAX_OUTPUTS)
    if _is_from(y, "polars"):
        return column_profiles(y.to_frame() if hasattr(y, "to_frame") else y, "polars", MAX_OUTPUTS)
    if hasattr(y, "tocsc"):
        return column_profiles(y, "array", MAX_OUTPUTS)
    array = np.asarray(y)
    array = array.reshape(len(array), -1)
    return column_profiles(array, "array", MAX_OUTPUTS)


def library_versions(container: str, estimator: Estimator = None) -> dict[str, str]:
    """Return the versions of Python and of the libraries that made X and the estimator."""
    names = ["numpy", "sklearn", *_MODULES[container], type(estimator).__module__.partition(".")[0]]
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in names:
        with suppress(Exception):  # not imported, or without a version
            version = sys.modules[name].__version__
            versions[_DISTRIBUTIONS.get(name, name)] = str(version)
    return versions


def _is_from(X: EstimatorInput, library: str) -> bool:
    return type(X).__module__.partition(".")[0] == library
