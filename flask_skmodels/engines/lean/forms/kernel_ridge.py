"""Lean forms of ``sklearn.kernel_ridge``."""

from __future__ import annotations

import numpy as np
from sklearn.kernel_ridge import KernelRidge

from flask_skmodels.engines.lean.compiler import Compiler, Methods, doubles, finite, lean_form
from flask_skmodels.engines.lean.pairwise import kernel


@lean_form(KernelRidge)
def kernel_ridge(estimator: KernelRidge, compiler: Compiler) -> Methods:
    options = {name: getattr(estimator, name) for name in ("gamma", "degree", "coef0")}
    weights, kernel_of = estimator.dual_coef_, kernel(estimator.kernel, estimator.X_fit_, **options)
    return {"predict": lambda X: np.dot(kernel_of(finite(doubles(X))), weights)}
