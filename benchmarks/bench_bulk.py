"""Bulk scoring: ``python -m benchmarks.bench_bulk [SECTION]...``.

Each section prints its figure beside the one to reach:

- ``loop``: one process, Parquet to Parquet, over a bare loop of read, predict and write
- ``memory``: the resident memory of one process, for few and for many rows
- ``processes``: two processes over one, a forest of 100 trees, beside two separate runs at once,
  which share nothing but the machine
- ``mlflow``: ``mlflow models predict`` with the same model and file of CSV
- ``kills``: a run that is killed 30 times and resumed each time
- ``dask``: two workers of Dask over two processes
- ``start``: the start of the command over that of ``flask routes``

``--rows`` sets the number of rows of a section. The two sides of a ratio are run in turn, each in a
process of its own, and the ratio is the median over the rounds with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any

import joblib
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import ROOT

COLUMNS = [f"f{index}" for index in range(20)]
CHUNK = 65_536
GROUP = 2**19  # rows of a row group
KILLS = 30
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
FLASK = [sys.executable, "-m", "flask", "--app", "benchmarks.served.bulk:create_app"]
MLFLOW = os.environ.get("MLFLOW_PYTHON", sys.executable)  # of an environment with MLflow


def write_rows(path: Path, rows: int) -> None:
    """Write rows of 20 numbers, in row groups, as Parquet or CSV."""
    random_ = np.random.default_rng(0)
    schema = pa.schema([(name, pa.float64()) for name in COLUMNS])
    kind = pc.CSVWriter if path.suffix == ".csv" else pq.ParquetWriter
    with kind(str(path), schema) as writer:
        for start in range(0, rows, GROUP):
            block = random_.normal(size=(20, min(GROUP, rows - start)))
            if path.suffix == ".csv":
                block = block.round(6)
            writer.write_table(pa.Table.from_arrays(list(map(pa.array, block)), schema=schema))


def write_model(folder: Path, *, is_forest: bool = False) -> None:
    """Write a fitted pipeline."""
    random_ = np.random.default_rng(1)
    X = random_.normal(size=(5000, 20))
    y = (X @ random_.normal(size=20) > 0).astype(np.int64)
    forest = RandomForestClassifier(100, random_state=0)
    estimator: Any = forest if is_forest else make_pipeline(StandardScaler(), LogisticRegression())
    joblib.dump(estimator.fit(X, y), folder / "model.joblib")


def child(folder: Path, *arguments: str) -> dict[str, Any]:
    """Run one side of a ratio in a process of its own, and return what it prints."""
    command = [sys.executable, "-m", "benchmarks.bench_bulk", "--child", *arguments]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**ENVIRONMENT, "BULK_MODEL": str(folder / "model.joblib")},
        stdout=subprocess.PIPE,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def score_command(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start ``flask skmodels score``."""
    return subprocess.Popen(
        [*FLASK, "skmodels", "score", "model", *arguments],
        cwd=folder,
        env={**ENVIRONMENT, "BULK_MODEL": str(folder / "model.joblib")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def summary_of(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate()
    if process.returncode:
        raise SystemExit(err.decode())
    summary: dict[str, Any] = json.loads(out.splitlines()[-1])
    return summary


def remove_output(folder: Path) -> None:
    subprocess.run("rm -rf out*", shell=True, cwd=folder, check=True)


def ratios(rounds: int, one: Callable[[], float], other: Callable[[], float]) -> list[float]:
    """Return the ratio of the seconds of two sides in each round, the lower the better for one."""
    found = []
    for round_ in range(rounds):
        sides = [one, other] if round_ % 2 else [other, one]
        took = {side: side() for side in sides}
        found.append(took[other] / took[one])
        print(f"  {took[one]:.2f} s, {took[other]:.2f} s: {found[-1]:.2f}", flush=True)
    return found


def report(name: str, found: list[float], wanted: str) -> None:
    shown = f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
    print(f"{name}: {shown}, to reach: {wanted}", flush=True)


# Sections


def loop(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder)
    write_rows(folder / "in.parquet", rows)

    def seconds(side: str) -> float:
        remove_output(folder)
        return float(child(folder, side, "in.parquet")["seconds"])

    found = ratios(rounds, lambda: seconds("score"), lambda: seconds("bare"))
    report(f"{rows:,} rows, score over a bare loop", found, "0.85")


def memory(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder)
    for count in (1_000_000, rows):
        remove_output(folder)
        write_rows(folder / "in.parquet", count)
        peak = child(folder, "score", "in.parquet")["peak"]
        print(f"{count:,} rows: {peak / 2**30:.2f} GiB, to reach: 1.2", flush=True)


def processes(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder, is_forest=True)
    write_rows(folder / "in.parquet", rows)

    def begin(output: str, jobs: str = "1") -> subprocess.Popen[bytes]:
        options = ("--jobs", jobs, "--chunk-rows", "16384", "--json")
        return score_command(folder, "in.parquet", output, *options)

    def seconds(jobs: str) -> float:
        remove_output(folder)
        return float(summary_of(begin("out/", jobs))["seconds"])

    def seconds_of_half() -> float:
        remove_output(folder)
        runs = [begin(output) for output in ("out1/", "out2/")]
        return max(float(summary_of(run)["seconds"]) for run in runs) / 2

    found = ratios(rounds, lambda: seconds("2"), lambda: seconds("1"))
    report(f"{rows:,} rows, two processes over one", found, "1.8")
    most = ratios(rounds, seconds_of_half, lambda: seconds("1"))
    report("two separate runs at once over one after the other", most, "the most of this machine")


def mlflow(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder)
    write_rows(folder / "in.csv", rows)
    code = (
        "import joblib, mlflow.sklearn\n"
        "mlflow.sklearn.save_model(joblib.load('model.joblib'), 'mlflow-model')\n"
    )
    subprocess.run([MLFLOW, "-c", code], cwd=folder, check=True, capture_output=True)

    def score() -> float:
        remove_output(folder)
        return float(child(folder, "score", "in.csv")["seconds"])

    def predict() -> float:
        call = (
            "import time, mlflow.models, mlflow.sklearn\n"
            "started = time.perf_counter()\n"
            "mlflow.models.predict('mlflow-model', input_path='in.csv', content_type='csv', "
            "output_path='mlflow.json', env_manager='local')\n"
            "print(time.perf_counter() - started)\n"
        )
        done = subprocess.run([MLFLOW, "-c", call], cwd=folder, check=True, capture_output=True)
        return float(done.stdout.split()[-1])

    name = f"{rows:,} rows of CSV, models.score over mlflow.models.predict, without imports"
    report(name, ratios(rounds, score, predict), "5")


def kills(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder)
    write_rows(folder / "in.parquet", rows)
    options = ("in.parquet", "out/", "--chunk-rows", str(max(rows // 200, 1)), "--json")
    took = summary_of(score_command(folder, *options))["seconds"]
    expected = content(folder / "out")
    remove_output(folder)
    chance, killed = random.Random(0), 0
    for _ in range(KILLS):
        process = score_command(folder, *options, "--resume", start_new_session=True)
        while process.poll() is None and not list(folder.glob("out*.lock")):
            sleep(0.005)
        sleep(chance.random() * took / 10)
        killed += process.poll() is None
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    summary = summary_of(score_command(folder, *options, "--resume"))
    same = content(folder / "out") == expected
    print(
        f"killed {killed} times while it ran: {'equal, byte for byte' if same else 'DIFFERENT'}; "
        f"{summary['resumed']} of {summary['chunks']} chunks were finished before the last run"
    )


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def dask(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder, is_forest=True)
    write_rows(folder / "in.parquet", rows)
    options = ("in.parquet", "out/", "--chunk-rows", "16384", "--json")
    with ExitStack() as stack:
        address = start_cluster(stack, folder)

        def seconds(*more: str) -> float:
            remove_output(folder)
            return float(summary_of(score_command(folder, *options, *more))["seconds"])

        found = ratios(
            rounds,
            lambda: seconds("--engine", "dask", "--address", address),
            lambda: seconds("--jobs", "2"),
        )
    report(f"{rows:,} rows, Dask with two workers over two processes", found, "0.9")


def start_cluster(stack: ExitStack, folder: Path) -> str:
    """Start a scheduler and two workers of Dask, and return the address."""
    file = folder / "scheduler.json"
    scheduler = ["distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"]
    worker = ["distributed.cli.dask_worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    for arguments in (scheduler, worker, worker):
        command = [sys.executable, "-m", *arguments, "--host", "127.0.0.1"]
        process = subprocess.Popen(
            [*command, "--scheduler-file", str(file)],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        while not file.exists():
            sleep(0.05)
    sleep(3)
    return str(json.loads(file.read_text())["address"])


def start(folder: Path, rows: int, rounds: int) -> None:
    write_model(folder)
    write_rows(folder / "in.parquet", 10)
    environment = {**ENVIRONMENT, "BULK_MODEL": str(folder / "model.joblib")}

    def seconds(*command: str) -> float:
        started = perf_counter()
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
        return perf_counter() - started

    found = []
    for _ in range(rounds):
        routes = seconds(*FLASK, "routes")
        pyarrow = seconds(sys.executable, "-c", "import pyarrow.dataset, pyarrow.parquet")
        python = seconds(sys.executable, "-c", "import numpy")
        remove_output(folder)
        score = seconds(*FLASK, "skmodels", "score", "model", "in.parquet", "out/")
        found.append(score - (pyarrow - python) - routes)
        print(f"  score {score:.2f} s, routes {routes:.2f} s, pyarrow {pyarrow - python:.2f} s")
    report("seconds more than flask routes, without pyarrow", found, "0.3 at most")


SECTIONS: dict[str, tuple[Callable[[Path, int, int], None], int]] = {
    "loop": (loop, 10_000_000),
    "memory": (memory, 20_000_000),
    "processes": (processes, 3_000_000),
    "mlflow": (mlflow, 1_000_000),
    "kills": (kills, 2_000_000),
    "dask": (dask, 1_500_000),
    "start": (start, 0),
}


# Sides of a ratio, in a process of their own


def bare(path: str) -> dict[str, Any]:
    """Read, predict and write without anything else."""
    pipeline = joblib.load(os.environ["BULK_MODEL"])
    started = perf_counter()
    schema = pa.schema([("prediction", pa.int64())])
    with pq.ParquetFile(path) as file, pq.ParquetWriter("out.bare.parquet", schema) as writer:
        for batch in file.iter_batches(CHUNK):
            X = np.column_stack([column.to_numpy() for column in batch.columns])
            writer.write_table(pa.table({"prediction": pipeline.predict(X)}))
    return {"seconds": perf_counter() - started}


def scored(path: str) -> dict[str, Any]:
    from benchmarks.served.bulk import create_app

    app = create_app()
    with app.app_context():
        models = app.extensions["skmodels"].models
        summary = models.score("model", path, "out/", chunk_rows=CHUNK)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": summary.seconds, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sections", nargs="*", default=list(SECTIONS), metavar="SECTION")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", nargs=2)
    chosen = parser.parse_args()
    if chosen.child:
        side, path = chosen.child
        print(json.dumps({"bare": bare, "score": scored}[side](path)))
        return
    for name in chosen.sections:
        section, rows = SECTIONS[name]
        with tempfile.TemporaryDirectory() as folder:
            section(Path(folder), chosen.rows or rows, chosen.rounds)


if __name__ == "__main__":
    main()
