"""Compare the lean engine with the estimator, bit for bit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask

from flask_skmodels import SKModels
from flask_skmodels.estimators.introspect import methods

COUNTS = (1, 2, 7, 64, 65, 200)


def check(estimator: Any, X: Any, counts: Sequence[int] = COUNTS) -> None:
    """Compare every method of an estimator with the lean engine, for several numbers of rows.

    The estimator's methods are replaced by one that raises, so that no call can fall back to them.

    :param estimator: fitted
    :param X: rows to predict, as many as the largest count or more
    :param counts: numbers of first rows that are predicted in one call
    """
    served = methods(estimator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        own = {(m, n): getattr(estimator, m)(copy_of(X[:n])) for m in served for n in counts}
    models, app = SKModels(), Flask("lean")
    models.add("case", estimator, methods=served)
    models.init_app(app)
    description = app.test_client().get("/case/").json or {}
    assert description["engine"] == {"name": "lean", "reason": None}, description["engine"]
    for method in served:
        setattr(estimator, method, refuse)
    for (method, count), expected in own.items():
        given = copy_of(X[:count])
        outputs = models.predict("case", given, method, app=app).outputs
        assert_equal(outputs, expected, f"{method} of {count} rows")


def copy_of(X: Any) -> Any:
    """Return a copy in the same memory layout, which pandas 2 changes for a frame of numbers."""
    if isinstance(X, pd.DataFrame) and set(X.dtypes) == {np.dtype(np.float64)}:
        return pd.DataFrame(X.to_numpy().copy(order="K"), X.index, X.columns, copy=False)
    return X.copy()


def assert_equal(outputs: Any, expected: Any, what: str = "") -> None:
    """Assert that two outputs are alike in type, shape and every bit."""
    assert type(outputs) is type(expected), what
    if isinstance(expected, list):
        assert len(outputs) == len(expected), what
        for one, other in zip(outputs, expected, strict=True):
            assert_equal(one, other, what)
    else:
        assert outputs.dtype == expected.dtype, what
        assert outputs.shape == expected.shape, what
        if outputs.dtype == object:
            assert outputs.tolist() == expected.tolist(), what
        else:
            one, other = np.ascontiguousarray(outputs), np.ascontiguousarray(expected)
            assert one.tobytes() == other.tobytes(), f"{what}\n{outputs}\n{expected}"


def refuse(X: Any) -> Any:
    """Stand for an estimator's own method that is not to be called."""
    raise AssertionError("the lean engine has left a call to the estimator")
