"""Rows to score in bulk, an application that scores them, and what a run must give."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from flask_skmodels import SKModels
from flask_skmodels.bulk.summary import Summary
from tests.support.command_line import ENVIRONMENT
from tests.support.helpers import FIELDS, X

ROWS = 3 * len(X)
BAD = (5, 100, 449)  # rows whose sepal is too narrow

APPLICATION = """
import joblib, time
from flask import Flask
from flask_skmodels import Artifact, SKModels

models = SKModels()
models.add(
    "iris",
    Artifact("iris.joblib"),
    probability=True,
    schema={name: {"min": 0} for name in %r},
)
app = Flask(__name__)
app.config.update(SKMODELS_TRUST_PICKLE=True, SKMODELS_TRIAL=False)
models.init_app(app)
"""


def frame(rows: int = ROWS) -> pd.DataFrame:
    """Return flowers with an ``id`` and a ``segment``; those of :data:`BAD` are not valid."""
    table = pd.DataFrame(np.resize(X, (rows, 4)), columns=list(FIELDS))
    table.insert(0, "id", np.arange(rows) + 1000)
    table["segment"] = [f"s{index % 7}" for index in range(rows)]
    table.loc[[row for row in BAD if row < rows], "sepal_width"] = -1.0
    return table


def good(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are valid."""
    return table[table["sepal_width"] >= 0]


def score(models: SKModels, app: Any, source: Any, sink: Any, **options: Any) -> Summary:
    """Score in small chunks."""
    return models.score("iris", source, sink, app=app, **{"chunk_rows": 128, **options})


def content(folder: Path) -> dict[str, bytes]:
    """Return the bytes of each file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def table_of(path: Path) -> pa.Table:
    """Return the table in a file or a folder of Parquet."""
    return pq.read_table(path)


def write_application(folder: Path, estimator: Any, text: str | None = None) -> None:
    """Write an application that serves an estimator from a file."""
    import joblib

    joblib.dump(estimator, folder / "iris.joblib")
    (folder / "app.py").write_text((APPLICATION % (tuple(FIELDS),)) if text is None else text)


def command(
    folder: Path, *arguments: str, stderr: int = subprocess.PIPE
) -> subprocess.Popen[bytes]:
    """Start ``flask skmodels score iris`` in a folder, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flask", "--app", "app.py", "skmodels", "score", "iris", *arguments],
        cwd=folder,
        env={**ENVIRONMENT, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[bytes], timeout: float = 120) -> tuple[int, str, str]:
    """Wait for a command, and return its exit status and output."""
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out.decode(), err.decode()


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Run ``flask skmodels score iris`` in a folder."""
    return finish(command(folder, *arguments))


def kill(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a command and all its workers."""
    os.killpg(process.pid, number)
