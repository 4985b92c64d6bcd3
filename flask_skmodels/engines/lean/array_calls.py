"""Native methods called with an array, for estimators that were fitted on a data frame of numbers.

It takes a millisecond to make a data frame, to compare its names and to convert it back to an
array. An estimator without names takes the array itself, with the same results.

Measured with one row of 20 numbers: ``KMeans.predict`` takes 0.2 ms instead of 1.1 ms.
"""

from __future__ import annotations

from flask_skmodels.estimators.attributes import is_a, is_from_sklearn, shallow_copy
from flask_skmodels.estimators.requirements import estimators_in
from flask_skmodels.schema.fields import NUMBER_KINDS, NUMERIC_KINDS
from flask_skmodels.schema.frame import DeferredFrame
from flask_skmodels.schema.types import Array, Estimator

_NAMES = "feature_names_in_"
_TAKES_FRAMES = ("ColumnTransformer", "FunctionTransformer")


def without_names(estimator: Estimator) -> Estimator | None:
    """Return a shallow copy of an estimator that takes an array instead of a data frame.

    :param estimator: a fitted estimator
    :returns: None if the estimator was not fitted on a data frame, if it is not from scikit-learn,
        or if an estimator inside it takes a data frame
    """
    if not is_from_sklearn(estimator) or _NAMES not in vars(estimator):
        return None
    inner = [part for part in estimators_in(estimator) if part is not estimator]
    if is_a(estimator, *_TAKES_FRAMES) or any(map(_takes_frames, inner)):
        return None
    duplicate = shallow_copy(estimator)
    del vars(duplicate)[_NAMES]
    return duplicate


def _takes_frames(part: Estimator) -> bool:
    return hasattr(part, _NAMES) or not is_from_sklearn(part) or is_a(part, *_TAKES_FRAMES)


def array_of_frame(X: DeferredFrame) -> Array | None:
    """Return the array that scikit-learn makes of a data frame, None for unsuitable dtypes."""
    fields = X.fields
    if fields.are_typed:
        has_floats = fields.are_floats and len(fields.integers) < len(fields)
        return X.to_float64() if has_floats else None
    if not fields.kinds <= NUMERIC_KINDS:
        return None
    return (
        X.to_numpy() if fields.kinds <= NUMBER_KINDS or len(fields.kinds) == 1 else X.to_float64()
    )
