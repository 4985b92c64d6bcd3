"""The base class of the code that explains one family of estimators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flask_skmodels.schema.types import EstimatorInput, FloatArray, ModelOutput

Owners = NDArray[np.intp]
"""For each column of X, the index of the field that it comes from.

For a column that is the same in every row, and so contributes to the base, it is the number of
fields.
"""


class Unexplained(Exception):
    """An estimator cannot be explained exactly; the message says why."""


@dataclass(frozen=True, eq=False)
class FieldColumns:
    """The columns of the input of an estimator.

    :param owners: the field of each column
    :param names: the names of the fields
    :param baseline: the mean of each column in the training data, None if it is not known
    """

    owners: Owners
    names: tuple[str, ...]
    baseline: FloatArray | None = None

    @property
    def count(self) -> int:
        """The number of fields."""
        return len(self.names)

    def without_baseline(self) -> FieldColumns:
        """Return the same columns without their means."""
        return FieldColumns(self.owners, self.names)


class Contributions:
    """The contributions of the fields to the outputs of one estimator.

    :ivar outputs: the number of outputs that are explained
    :ivar rules: the names of the rules that compute the contributions
    :ivar tolerance: the largest relative difference between base + contributions and the output
    :ivar method: the estimator's method that computes the outputs, None if :meth:`margins` does
    :ivar has_link: True if there is a link function between the outputs of ``method`` and the
        outputs that are explained
    :ivar is_native: True if the native code of a boosting library computes the contributions
    :ivar is_slow: True if explaining a row takes longer than checking it
    """

    outputs: int = 1
    rules: tuple[str, ...] = ()
    tolerance: float = 1e-9
    method: str | None = None
    has_link: bool = False
    is_native: bool = False
    is_slow: bool = True

    def __call__(self, X: EstimatorInput) -> FloatArray:
        """Return the contributions, of shape (rows, outputs, fields + 1); the last is the base.

        :param X: the input of the estimator, as scikit-learn takes it
        """
        raise NotImplementedError

    def margins(self, X: EstimatorInput) -> FloatArray:
        """Return the explained outputs, of shape (rows, outputs), if ``method`` is None."""
        raise NotImplementedError

    def size(self, X: EstimatorInput) -> FloatArray | float:
        """Return the size of the numbers that are summed for the outputs, of shape (rows, outputs).

        It limits how exact the sums can be. It is called only if the first check fails.
        """
        return 0.0

    def select(self, outputs: ModelOutput) -> FloatArray:
        """Return the outputs that are explained, of shape (rows, outputs).

        :param outputs: the return value of the estimator's ``method``
        """
        return as_margins(outputs)


def as_margins(outputs: ModelOutput) -> FloatArray:
    """Return outputs as an array of doubles of shape (rows, outputs)."""
    array = np.asarray(outputs, dtype=np.float64)
    return array.reshape(len(array), -1)


def second_of_two(outputs: ModelOutput) -> FloatArray:
    """Return probabilities of shape (rows, classes); of two classes, only those of the second."""
    array = np.asarray(outputs, dtype=np.float64)
    return array[:, 1:] if array.shape[1] == 2 else array


def dense(X: EstimatorInput) -> EstimatorInput:
    """Return a sparse matrix as an array, and anything else unchanged."""
    return X.toarray() if hasattr(X, "toarray") else X


def sum_by_field(values: FloatArray, columns: FieldColumns) -> FloatArray:
    """Return the contributions of fields, each the sum of those of its columns.

    :param values: of shape (rows, outputs, columns + 1); the last is the base
    """
    owners = np.append(columns.owners, columns.count)
    indicator = np.zeros((len(owners), columns.count + 1))
    indicator[np.arange(len(owners)), owners] = 1.0
    sums: FloatArray = values @ indicator
    return sums
