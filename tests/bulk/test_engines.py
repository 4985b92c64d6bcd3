"""The scorer inside Spark, Ray Data, Dask, Polars and DuckDB, with the documented code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.command_line import ENVIRONMENT
from tests.support.documentation import page
from tests.support.helpers import FIELDS
from tests.support.scoring import frame, good, write_application
from tests.support.skips import library

pytestmark = pytest.mark.full
TABLE = frame(1000)
SETUP = """
import warnings
from app import app, models
import pyarrow as pa
import pyarrow.parquet as pq

with app.app_context():
    scorer = models["iris"].scorer(method="predict_proba", keep={"id": "int64"})
"""
SPARK = """
from pyspark.sql import SparkSession

spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .getOrCreate()
)
"""


def code_of(section: str) -> str:
    """Return the code of a section of the documentation; it has five lines."""
    pattern = rf"^{section}\n~+\n\n\.\. code-block:: python\n\n((?:    .*\n|\n)+)"
    [block] = re.findall(pattern, page("bulk"), re.MULTILINE)
    code = textwrap.dedent(block)
    assert len([line for line in code.splitlines() if line.strip()]) <= 5
    return str(code)


def run(folder: Path, pipeline: Any, section: str, before: str = "") -> pa.Table:
    """Run the code of a section in a process of its own, and return what it has written."""
    write_application(folder, pipeline)
    TABLE.to_parquet(folder / "customers.parquet", row_group_size=300)
    code = f"{SETUP}\n{before}\n{code_of(section)}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={
            **ENVIRONMENT,
            "OMP_NUM_THREADS": "1",
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": os.pathsep.join([ENVIRONMENT["PYTHONPATH"], str(folder)]),
        },
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = folder / "scores"
    return pq.read_table(written if written.exists() else folder / "scores.parquet")


def check(table: pa.Table, pipeline: Any) -> None:
    scored = table.to_pandas().sort_values("id")
    assert scored["id"].tolist() == TABLE["id"].tolist()
    is_bad = scored["errors"].notna().to_numpy()
    assert np.flatnonzero(is_bad).tolist() == [5, 100, 449]
    own = pipeline.predict_proba(good(TABLE)[list(FIELDS)].to_numpy())
    np.testing.assert_allclose(scored.loc[~is_bad, ["0", "1", "2"]].to_numpy(float), own)


def test_spark(tmp_path: Path, pipeline: Any) -> None:
    if shutil.which("java") is None:
        pytest.skip("Java is not installed: apt-get install default-jre-headless")
    library("pyspark", "pip install pyspark")
    check(run(tmp_path, pipeline, "Spark", SPARK), pipeline)


def test_ray_data(tmp_path: Path, pipeline: Any) -> None:
    library("ray")
    before = "import ray; ray.init(num_cpus=2, include_dashboard=False)"
    check(run(tmp_path, pipeline, "Ray Data", before), pipeline)


def test_dask(tmp_path: Path, pipeline: Any) -> None:
    library("dask.dataframe")
    check(run(tmp_path, pipeline, "Dask"), pipeline)


@pytest.mark.representative
def test_polars(tmp_path: Path, pipeline: Any) -> None:
    check(run(tmp_path, pipeline, "Polars"), pipeline)


def test_duckdb(tmp_path: Path, pipeline: Any) -> None:
    library("duckdb")
    check(run(tmp_path, pipeline, "DuckDB"), pipeline)
