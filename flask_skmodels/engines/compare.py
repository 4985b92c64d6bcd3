"""Whether two outputs of an estimator are the same, to the last bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def same(one: Any, other: Any) -> bool:
    """Return whether two outputs are of one type, shape and content; nan is nan.

    Zero and minus zero differ.
    """
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if not isinstance(one, np.ndarray):
        return False
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return _same_content(one, other)


def _same_content(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.dtype.kind == "f":
        equal = (one == other) & (np.signbit(one) == np.signbit(other))
        return bool((equal | (np.isnan(one) & np.isnan(other))).all())
    return bool((one == other).all())
