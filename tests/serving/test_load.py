"""Load on a real server: rows that hang, workers that are killed, restarts, and a short soak."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from benchmarks import soak
from tests.support.gate import until
from tests.support.gunicorn import PATIENCE, Response, Server, ask, gunicorn
from tests.support.skips import FORK, needs_program

pytestmark = [
    pytest.mark.full,
    FORK,
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system has no /proc"),
]

THREADS = 8
HANGS = [[13.0]]
READY = "/-/health/ready"
PATH, OTHER = "/patient/predict/", "/other/predict/"

APP = """
import os, time
import numpy as np
from flask import Flask
from sklearn.base import BaseEstimator
from flask_skmodels import SKModels

class Patient(BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = 1
        return self

    def predict(self, X):
        if 13.0 in np.asarray(X):
            time.sleep(600)
        return np.asarray(X)[:, 0] * 2

models = SKModels()
models.add(
    "patient", Patient().fit(None), schema={"x": {"type": "number"}}, engine="sklearn",
    examples=[{"x": 1}], **ATTRIBUTES
)
models.add("other", Patient().fit(None), schema={"x": {"type": "number"}}, batching=False)
app = Flask(__name__)
app.config.update(SKMODELS_TIMEOUT=2, SKMODELS_READY_EXAMPLES=True)
models.init_app(app)

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response
"""


def once(server: Server, method: str, path: str, document: Any = None) -> Response:
    with closing(server.connect()) as connection:
        return ask(connection, method, path, document)


def in_time(server: Server, seconds: float, *request: Any) -> int:
    """Return the status of a response that must come within some seconds."""
    started = monotonic()
    status = once(server, *request).status
    assert monotonic() - started < seconds
    return status


@pytest.mark.parametrize(
    ("attributes", "statuses", "free_after"),
    [
        pytest.param({"batching": True}, {504}, 3.0, marks=pytest.mark.representative),
        ({"batching": False}, {504}, 3.0),
        ({"batching": False, "max_concurrency": 4, "max_queue": 2}, {503, 504}, 0.0),
    ],
    ids=["combined", "not combined", "limited"],
)
def test_eight_rows_that_hang_stop_neither_the_others_nor_the_health_checks(
    tmp_path: Path, attributes: dict[str, Any], statuses: set[int], free_after: float
) -> None:
    module = APP.replace("ATTRIBUTES", repr(attributes))
    options = ("--threads", str(THREADS), "--graceful-timeout", "1", "--timeout", "600")
    with gunicorn(tmp_path, module, *options, workers=1) as server:
        wait_until_ready(server)
        with ThreadPoolExecutor(THREADS) as pool:
            hanging = [pool.submit(once, server, "POST", PATH, HANGS) for _ in range(THREADS)]
            sleep(0.5 + free_after)
            for _ in range(5):
                assert in_time(server, 1, "GET", READY) == 200
                assert in_time(server, 1, "GET", "/-/health/live") == 200
                sleep(0.5)
            until(lambda: sum(each.done() for each in hanging) == THREADS - 1)
            assert {each.result().status for each in hanging if each.done()} == statuses
            response = once(server, "POST", OTHER, [[4.0]])
            assert (response.status, response.document["predictions"]) == (200, [8.0])
            if "max_concurrency" not in attributes:
                status = 200 if attributes["batching"] else 503  # one call for seven, or seven
                assert once(server, "POST", PATH, [[4.0]]).status == status
            stop(server)


def wait_until_ready(server: Server) -> None:
    deadline = monotonic() + PATIENCE
    while once(server, "GET", READY).status != 200:
        assert monotonic() < deadline
        sleep(0.1)


def stop(server: Server) -> None:
    """Kill the worker, whose threads never return, and with it the connections."""
    os.kill(once(server, "GET", "/-/health/live").worker, signal.SIGKILL)
    os.kill(server.master, signal.SIGTERM)


@pytest.mark.parametrize(
    "run",
    [
        pytest.param(lambda: soak.kills(8), id="kills", marks=pytest.mark.representative),
        pytest.param(lambda: soak.restarts(1), id="restarts"),
        pytest.param(lambda: soak.overload(8), id="overload", marks=needs_program("wrk")),
    ],
)
def test_no_answer_is_wrong_or_lost(run: Callable[[], list[str]]) -> None:
    problems = run()
    # Only a quiet machine can tell the throughput.
    assert [each for each in problems if "throughput" not in each] == []


def test_mixed_traffic_with_new_versions_errors_and_kills() -> None:
    problems = soak.soak(25)
    # Only a long run can tell whether the process grows; the log is the last entry.
    assert [each for each in problems[:-1] if "has grown" not in each] == [], problems
