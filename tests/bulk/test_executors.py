"""Several processes, Dask and Ray: the same bytes as one process, also if a worker dies."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.bulk.conftest import Score
from tests.bulk.test_runs import bytes_of, remove, slow_application, wait_for
from tests.support import scoring
from tests.support.command_line import ENVIRONMENT
from tests.support.scoring import frame
from tests.support.skips import LINUX, library

pytestmark = [pytest.mark.full, LINUX]
OPTIONS = ("in.parquet", "out/", "--keep", "id,segment", "--chunk-rows", "50")


@pytest.fixture
def expected(score: Score, tmp_path: Path, pipeline: Any) -> dict[str, bytes]:
    """The output of one process."""
    frame(1000).to_parquet("in.parquet")
    scoring.write_application(tmp_path, pipeline)
    score_here(tmp_path)
    output = bytes_of("out/") | bytes_of("out.rejects.parquet")
    remove()
    return output


def score_here(folder: Path) -> None:
    """Run the options of the command in this process."""
    served = runpy.run_path(str(folder / "app.py"))
    options: dict[str, Any] = {"keep": ["id", "segment"], "chunk_rows": 50}
    served["models"].score("iris", "in.parquet", "out/", app=served["app"], **options)


def done(folder: Path, *more: str) -> None:
    status, _, err = scoring.run(folder, *OPTIONS, *more)
    assert status == 0, err


def check(expected: dict[str, bytes]) -> None:
    assert bytes_of("out/") | bytes_of("out.rejects.parquet") == expected
    remove()


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    found = []
    for child in map(int, text.split()):
        command = Path(f"/proc/{child}/cmdline").read_bytes()
        if b"spawn_main" in command or b"ray::" in command or b"nanny" in command:
            found.append(child)
    return found


def test_processes_and_the_death_of_one(
    expected: dict[str, bytes], tmp_path: Path, pipeline: Any
) -> None:
    slow_application(tmp_path, pipeline, 0.1)
    process = scoring.command(tmp_path, *OPTIONS, "--jobs", "2")
    wait_for(tmp_path / "out.parts" / "part-00002.parquet")
    os.kill(children(process.pid)[0], signal.SIGKILL)
    status, _, err = scoring.finish(process)
    assert status == 0, err
    check(expected)


def test_workers_end_with_a_killed_parent(tmp_path: Path, pipeline: Any, score: Score) -> None:
    frame(1000).to_parquet("in.parquet")
    slow_application(tmp_path, pipeline, 0.1)
    process = scoring.command(tmp_path, *OPTIONS, "--jobs", "2")
    wait_for(tmp_path / "out.parts" / "part-00001.parquet")
    workers = children(process.pid)
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (tmp_path / "out").exists()


@contextmanager
def dask_cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Start a scheduler and two workers, each a process; return the address and the workers."""
    library("distributed")
    file = folder / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place: dict[str, Any] = {"cwd": folder, "env": {**ENVIRONMENT, "OMP_NUM_THREADS": "1"}}
    scheduler = subprocess.Popen(
        [*command, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)], **quiet, **place
    )
    wait_for(file)
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", str(file)]
    options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
    workers = [subprocess.Popen([*worker, *options], **quiet, **place) for _ in range(2)]
    import json

    try:
        yield json.loads(file.read_text())["address"], workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


def test_dask_and_the_death_of_a_worker(
    expected: dict[str, bytes], tmp_path: Path, pipeline: Any
) -> None:
    with dask_cluster(tmp_path) as (address, workers):
        engine = ("--engine", "dask", "--address", address)
        slow_application(tmp_path, pipeline, 0.1)
        process = scoring.command(tmp_path, *OPTIONS, *engine)
        wait_for(tmp_path / "out.parts" / "part-00002.parquet")
        workers[0].kill()
        status, _, err = scoring.finish(process)
        assert status == 0, err
        check(expected)


def test_worker_that_does_not_see_the_file(
    expected: dict[str, bytes], tmp_path: Path, pipeline: Any
) -> None:
    """The estimator travels if the file is not there under its digest."""
    with dask_cluster(tmp_path) as (address, _):
        code = (tmp_path / "app.py").read_text()
        hidden = (
            "from flask_skmodels.bulk import shipped_model\n"
            "from pathlib import Path\n"
            "of = shipped_model.ShippedModel.of.__func__\n"
            "def moved(cls, version, artifact, policy, **options):\n"
            "    if Path('iris.joblib').exists():\n"
            "        version.loaded.path.rename('moved.joblib')\n"
            "    return of(cls, version, artifact, policy, **options)\n"
            "shipped_model.ShippedModel.of = classmethod(moved)\n"
        )
        (tmp_path / "app.py").write_text(code + hidden)
        done(tmp_path, "--engine", "dask", "--address", address)
        check(expected)


def test_ray_and_the_death_of_a_worker(
    expected: dict[str, bytes], tmp_path: Path, pipeline: Any
) -> None:
    library("ray")
    slow_application(tmp_path, pipeline, 0.1)
    process = scoring.command(tmp_path, *OPTIONS, "--engine", "ray", "--jobs", "2")
    wait_for(tmp_path / "out.parts" / "part-00002.parquet")
    os.kill(ray_worker(process.pid), signal.SIGKILL)
    status, _, err = scoring.finish(process)
    assert status == 0, err
    check(expected)


def ray_worker(pid: int) -> int:
    """Return a process, started by a command, that runs a task of Ray."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                is_worker = b"ray::run_remotely" in path.joinpath("cmdline").read_bytes()
                if is_worker and pid in _parents(int(path.name)):
                    return int(path.name)
            except OSError:
                continue
        time.sleep(0.01)
    raise AssertionError("no worker of Ray runs a task")


def _parents(pid: int) -> Iterator[int]:
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        yield pid


def test_dask_on_this_machine(expected: dict[str, bytes], tmp_path: Path) -> None:
    library("distributed")
    done(tmp_path, "--engine", "dask", "--jobs", "1")
    check(expected)
