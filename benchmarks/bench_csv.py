"""CSV of 10,000 rows of 20 numbers, from bytes to X, against ``pandas.read_csv`` of the same bytes.

``pytest benchmarks -o python_files='bench_*.py' -s`` prints the ratios. The two sides of a ratio
are timed in turn, round by round, and the ratio is given as its median over the rounds with the
lowest and the highest: machines are noisy, and the noise is common to a round.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import pytest

from flask_skmodels.codecs import csv
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.schema import FixedSchema

ROUNDS = 31
NAMES = [f"f{place}" for place in range(20)]
X = np.random.default_rng(0).normal(size=(10_000, len(NAMES)))
BODY = pd.DataFrame(X, columns=NAMES).to_csv(index=False).encode()


@pytest.fixture
def schema() -> FixedSchema:
    columns = tuple(InputColumn(name=name) for name in NAMES)
    return FixedSchema({name: {} for name in NAMES}, Inputs(columns=columns, named=True))


def seconds(call: Callable[[], Any]) -> float:
    started = perf_counter()
    call()
    return perf_counter() - started


def report(name: str, call: Callable[[], Any], wanted: str) -> None:
    call()
    pd.read_csv(BytesIO(BODY))
    found = sorted(
        seconds(call) / seconds(lambda: pd.read_csv(BytesIO(BODY))) for _ in range(ROUNDS)
    )
    spread = f"{found[0]:.2f} to {found[-1]:.2f}, quartiles {found[7]:.2f} and {found[23]:.2f}"
    print(f"\n{name} / pandas.read_csv: {median(found):.2f} ({spread}); to reach: {wanted}")


def to_x(schema: FixedSchema) -> Any:
    rows = csv.read_numbers(BODY, schema)
    return schema.clean(csv.read_text(BODY, schema) if rows is None else rows)


def test_with_pyarrow(benchmark: Any, schema: FixedSchema) -> None:
    assert np.array_equal(to_x(schema), X)
    report("bytes to X with pyarrow", lambda: to_x(schema), "1.5 at most")
    benchmark(to_x, schema)


def test_without_pyarrow(
    benchmark: Any, schema: FixedSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv, "find_spec", lambda name: None)
    assert np.array_equal(to_x(schema), X)
    report("bytes to X without pyarrow", lambda: to_x(schema), "4 at most")
    benchmark(to_x, schema)


def test_as_texts(benchmark: Any, schema: FixedSchema) -> None:
    """The road of files that are not of numbers alone."""

    def read() -> Any:
        return schema.clean(csv.read_text(BODY, schema))

    assert np.array_equal(read(), X)
    report("bytes to X as texts", read, "no figure")
    benchmark(read)
