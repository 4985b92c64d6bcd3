"""The time and memory of a profile: ``python -m benchmarks.bench_profile``.

It measures a frame of 1 million rows and 50 columns, and the registration of a model with a profile
and without one.
"""

from __future__ import annotations

import resource
import statistics
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from flask_skmodels import Profile, SKModels

ROWS = 1_000_000
MAX_SECONDS = 5
MAX_BYTES = 200_000
MAX_REGISTRATION = 0.010  # seconds
REGISTRATIONS = 15


def frame(rows: int = ROWS) -> pd.DataFrame:
    """Return 40 columns of floats with 5 % missing, 5 of integers and 5 of texts."""
    random = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for index in range(40):
        values = random.normal(index, 10, rows)
        values[random.random(rows) < 0.05] = np.nan
        columns[f"float{index}"] = values
    for index in range(5):
        columns[f"integer{index}"] = random.integers(0, 10 ** (index + 1), rows)
    texts = [f"value {index}" for index in range(rows)]
    for index in range(5):
        chosen = random.integers(0, min(rows, 10 ** (index * 3 // 2 + 1)), rows)
        columns[f"text{index}"] = pd.Series([texts[i] for i in chosen])
    return pd.DataFrame(columns)


class Memory:
    """Measures how much the resident memory of the process grows in a ``with`` block, in bytes."""

    growth = 0

    def __enter__(self) -> Memory:
        self._stopped = threading.Event()
        self._start = _resident()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.growth = max(self.growth, _resident() - self._start)
            sleep(0.002)


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize()


def seconds(call: Callable[[], object]) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started


def measure_frame() -> Profile:
    X = frame()
    Profile.of(X.head(1000))  # imports
    size_of_frame = X.memory_usage(index=False).sum() / 1e6
    print(f"frame: {len(X):,} rows, {X.shape[1]} columns, {size_of_frame:,.0f} MB")
    with Memory() as memory:  # first: a later call uses memory that an earlier one has freed
        profile = Profile.of(X)
    took = seconds(lambda: Profile.of(X))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "profile.json")
        profile.save(file)
        size = file.stat().st_size
        loaded = min(seconds(lambda: Profile.load(file)) for _ in range(5))
    column = ROWS * 8
    print(f"Profile.of: {took:.2f} s, at most {MAX_SECONDS} s")
    print(f"memory: {memory.growth / 1e6:.0f} MB, {memory.growth / column:.1f} columns")
    print(f"file: {size:,} bytes, at most {MAX_BYTES:,}; loaded in {loaded * 1000:.1f} ms")
    return profile


def measure_registration() -> None:
    """Compare the registration of a model with a profile with one without."""
    X = frame(10_000).iloc[:, :45].fillna(0)
    estimator = Ridge().fit(X, X["float0"])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "profile.json")
        Profile.of(X).save(file)
        times: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(REGISTRATIONS):
            times["without"].append(seconds(lambda: SKModels().add("risk", estimator)))
            times["with"].append(seconds(lambda: SKModels().add("risk", estimator, profile=file)))
    without, profiled = (statistics.median(times[name]) for name in ("without", "with"))
    print(
        f"registration: {without * 1000:.1f} ms without, {profiled * 1000:.1f} ms with a profile, "
        f"at most {MAX_REGISTRATION * 1000:.0f} ms more"
    )


def main() -> None:
    measure_registration()
    measure_frame()


if __name__ == "__main__":
    main()
