"""Lean forms of ``KBinsDiscretizer`` and ``Binarizer``."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from sklearn.preprocessing import Binarizer, KBinsDiscretizer

from flask_skmodels.engines.lean.compiler import (
    Compiler,
    Decline,
    Methods,
    doubles,
    finite,
    lean_form,
)
from flask_skmodels.engines.lean.containers import OneHotRows
from flask_skmodels.schema.types import ModelInput


@lean_form(KBinsDiscretizer)
def k_bins_discretizer(discretizer: KBinsDiscretizer, compiler: Compiler) -> Methods:
    if discretizer.dtype not in (None, np.float64):
        raise Decline("the dtype of its output is not float64")
    inner_edges = [each[1:-1].tolist() for each in discretizer.bin_edges_]
    starts = np.cumsum([0, *discretizer.n_bins_]).tolist()

    def bins(X: ModelInput) -> list[list[int]]:
        return [
            [bisect_right(inner, value) for inner, value in zip(inner_edges, row, strict=True)]
            for row in finite(doubles(X)).tolist()
        ]

    def one_hot(X: ModelInput) -> OneHotRows:
        codes = [
            [start + code for start, code in zip(starts, row, strict=False)] for row in bins(X)
        ]
        return OneHotRows(codes, starts[-1])

    if discretizer.encode == "ordinal":
        return {"transform": lambda X: np.array(bins(X), dtype=np.float64)}
    if discretizer.encode == "onehot":
        return {"transform": one_hot}
    return {"transform": lambda X: one_hot(X).to_numpy()}


@lean_form(Binarizer)
def binarizer(binarizer: Binarizer, compiler: Compiler) -> Methods:
    threshold = binarizer.threshold
    return {"transform": lambda X: (finite(doubles(X)) > threshold).astype(np.float64)}
