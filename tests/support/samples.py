"""Small data to fit estimators on: five columns of numbers, with and without missing values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_RANDOM = np.random.default_rng(0)
ROWS = 300
X = _RANDOM.normal(size=(ROWS, 5)).round(2)
SCORE = X[:, 0] + X[:, 1] * X[:, 2] + _RANDOM.normal(size=ROWS) / 4
HOLES = np.where(_RANDOM.random(X.shape) < 0.15, np.nan, X)

LABELS: dict[str, Any] = {
    "two numbers": (SCORE > 0).astype(int),
    "three texts": np.array(["low", "middle", "topmost"])[np.digitize(SCORE, [-1, 1])],
    "booleans": SCORE > 0.5,
    "ten numbers": np.digitize(SCORE, np.quantile(SCORE, np.linspace(0.1, 0.9, 9))) * 3,
}
FRAME = pd.DataFrame(
    {
        "island": _RANDOM.choice(["Biscoe", "Dream", "Torgersen"], ROWS),
        "mass": HOLES[:, 0] * 100 + 4000,
        "sex": _RANDOM.choice(np.array(["f", "m", None], dtype=object), ROWS),
        "year": _RANDOM.integers(2007, 2010, ROWS),
        "bill": X[:, 1],
    }
)
