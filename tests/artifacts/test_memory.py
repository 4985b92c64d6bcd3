"""A forest that is loaded before the fork is in memory once, however many workers serve it.

The forest takes 80 MB, which is quick to make; ``FLASK_SKMODELS_MEMORY_MB=500`` in the environment
makes it as large as that. scikit-learn copies the arrays of a tree even from a mapped file. So the
workers share the memory of their parent and not the file, and nothing may write to it afterwards.
"""

from __future__ import annotations

import logging
import os
from copy import deepcopy
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesRegressor

from tests.support.gunicorn import Server, ask_each, gunicorn
from tests.support.skips import LINUX

pytestmark = [pytest.mark.full, LINUX]

logger = logging.getLogger(__name__)

WORKERS = 2
FIELDS = 4
SAMPLES = 50_000
MEGABYTE = 1_000_000
SIZE = int(os.environ.get("FLASK_SKMODELS_MEMORY_MB", "80")) * MEGABYTE
SMALL = 20_000
REPEATS = 20
PREDICT = "/forest/predict/"
ROWS = [[place / 7, 0.3, 0.5, 0.9] for place in range(100)]
OPTIONS = ("--worker-class", "gthread", "--threads", "2", "--timeout", "300")

APP = """
import os
from flask import Flask
from flask_skmodels import Artifact, SKModels

models = SKModels()
models.add("forest", Artifact("forest.joblib", mmap_mode="r"))
app = Flask(__name__)
app.config.update(SKMODELS_ROOT=os.getcwd(), SKMODELS_TRUST_PICKLE=True)
models.init_app(app)

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


def dump_forest(path: Path, size: int) -> int:
    """Write a forest, one tree as often as makes that many bytes; return how many it is."""
    source = np.random.default_rng(0)
    X, y = source.random((SAMPLES, FIELDS)), source.random(SAMPLES)
    samples = min(SAMPLES, size // 100)
    forest = ExtraTreesRegressor(n_estimators=1, random_state=0).fit(X[:samples], y[:samples])
    tree = forest.estimators_[0]
    state = tree.tree_.__getstate__()
    count = max(1, size // (state["nodes"].nbytes + state["values"].nbytes))
    forest.set_params(n_estimators=count).estimators_ = [deepcopy(tree) for _ in range(count)]
    joblib.dump(forest, path)
    return path.stat().st_size


def pss(process: int) -> int:
    """Return the bytes of a process's memory, a page that several have counted in parts."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def total(server: Server, workers: set[int]) -> int:
    return sum(pss(process) for process in {server.master, *workers})


def memory(folder: Path, size: int, *options: str) -> tuple[int, int, int]:
    """Return the size of a forest's file, and the memory of its server at first and after use."""
    folder.mkdir()
    written = dump_forest(folder / "forest.joblib", size)
    with gunicorn(folder, APP, *OPTIONS, *options, workers=WORKERS) as server:
        workers = set(ask_each(server, WORKERS, PREDICT, ROWS))
        started = total(server, workers)
        for _ in range(REPEATS):
            ask_each(server, WORKERS, PREDICT, ROWS)
        return written, started, total(server, workers)


def copies(folder: Path, *options: str) -> tuple[float, float]:
    """Return how many copies of the forest are in memory, at first and after use.

    What a server takes of its own is measured with a forest of no size, and taken off.
    """
    _, *without = memory(folder / "small", SMALL, *options)
    written, *used = memory(folder / "large", SIZE, *options)
    assert abs(written - SIZE) < SIZE / 10
    started, after = ((of - less) / written for of, less in zip(used, without, strict=True))
    figures = written / MEGABYTE, started, after
    logger.info("%.0f MB: %.2f copies, %.2f after requests", *figures)
    return started, after


def test_workers_share_a_forest_that_is_loaded_before_the_fork(tmp_path: Path) -> None:
    assert max(copies(tmp_path, "--preload")) < 1.5


def test_workers_that_load_it_themselves_do_not(tmp_path: Path) -> None:
    """The measure would show a forest that is there twice."""
    assert min(copies(tmp_path)) > 1.5
