"""Small real data: scikit-learn's own data sets and the penguins, as data frames."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from palmerpenguins import load_penguins
from sklearn import datasets

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
KINDS = ["island", "sex"]


@cache
def load(name: str) -> tuple[pd.DataFrame, Any]:
    """Return the columns of a data set and its target, every class among the first rows."""
    X, y = _LOADERS[name]()
    return X.reset_index(drop=True), y


def penguins(*, whole: bool = True) -> tuple[pd.DataFrame, Any]:
    """Return the penguins; by default only those of which all is known."""
    birds = load_penguins().sample(frac=1.0, random_state=0).iloc[:120]
    birds = birds.dropna() if whole else birds
    return birds[[*NUMBERS, *KINDS]].reset_index(drop=True), birds["species"].to_numpy()


@cache
def texts() -> tuple[list[str], list[str]]:
    """Return sentences of the descriptions of scikit-learn's data sets, and whose they are."""
    found, owners = [], []
    for owner in ("iris", "wine", "diabetes", "linnerud"):
        description = getattr(datasets, f"load_{owner}")().DESCR
        lines = [line for line in re.split(r"\n\s*\n", description) if len(line) > 30]
        found += lines
        owners += [owner] * len(lines)
    order = np.random.RandomState(0).permutation(len(found))
    return [found[i] for i in order], [owners[i] for i in order]


def with_holes(X: pd.DataFrame) -> pd.DataFrame:
    """Return numbers of which every eleventh is missing."""
    holes = np.arange(X.size).reshape(X.shape) % 11 == 5
    return X.mask(holes)


def _bunch(name: str, count: int = 100) -> tuple[pd.DataFrame, Any]:
    bunch = getattr(datasets, f"load_{name}")(as_frame=True)
    chosen = np.random.RandomState(0).permutation(len(bunch.data))[:count]
    return bunch.data.iloc[chosen].astype(float), bunch.target.iloc[chosen].to_numpy()


def _digits() -> tuple[pd.DataFrame, Any]:
    X, y = _bunch("digits")
    return X.iloc[:, 18:38], y


def _ones() -> tuple[pd.DataFrame, Any]:
    X, y = _bunch("digits")
    return X.iloc[:, 18:38] / 16, y


def _steps() -> tuple[pd.DataFrame, Any]:
    X, y = _bunch("iris")
    return X.round().astype(int), y


def _kernel() -> tuple[pd.DataFrame, Any]:
    X, y = _bunch("linnerud")
    names = [f"row{i}" for i in range(len(X))]
    return pd.DataFrame(X.to_numpy() @ X.to_numpy().T, columns=names), y


def _one() -> tuple[pd.DataFrame, Any]:
    X, y = _bunch("diabetes")
    return X[["bmi"]], y


def _islands() -> tuple[pd.DataFrame, Any]:
    X, y = penguins()
    return X[KINDS].assign(mass=X["body_mass_g"].round(-3)), y


_LOADERS: dict[str, Any] = {
    "iris": lambda: _bunch("iris"),
    "wine": lambda: _bunch("wine"),
    "cancer": lambda: _bunch("breast_cancer"),
    "diabetes": lambda: _bunch("diabetes"),
    "linnerud": lambda: _bunch("linnerud"),
    "digits": _digits,
    "ones": _ones,
    "steps": _steps,
    "kernel": _kernel,
    "one": _one,
    "islands": _islands,
}
