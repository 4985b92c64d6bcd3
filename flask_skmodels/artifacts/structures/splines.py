"""B-splines of SciPy, whose native code trusts the knots and the number of coefficients."""

from __future__ import annotations

import numpy as np

from flask_skmodels.artifacts.structures.checks import (
    Part,
    ensure,
    structure,
    whole_number,
)


@structure("scipy.interpolate._bsplines.BSpline")
def check_spline(spline: Part) -> None:
    """Check the knots, the coefficients and the degree."""
    knots, coefficients = np.asarray(spline.t), np.asarray(spline.c)
    degree = whole_number(spline.k, "the degree", 0, 10_000)
    ensure(knots.ndim == 1 and len(knots) >= 2 * (degree + 1), "it has too few knots")
    ensure(np.isfinite(knots).all() and (np.diff(knots) >= 0).all(), "its knots are not sorted")
    needed = len(knots) - degree - 1
    ensure(coefficients.ndim >= 1, "it has no coefficients")
    ensure(len(coefficients) >= needed, "it has too few coefficients")
