"""New versions under load: no request fails, and no half-written file is served."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from threading import Event
from time import monotonic, sleep
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.support.gunicorn import PATIENCE, ROOT, Response, Server, ask, ask_each, gunicorn
from tests.support.skips import FORK

pytestmark = [pytest.mark.full, FORK]

logger = logging.getLogger(__name__)

CLIENTS = 16
WORKERS = 2
LAST = 21  # 1 is there at first, 20 more are dropped
BROKEN = (4, 8, 12, 16, LAST)
OTHER_FIELDS = BROKEN[3]
NEWEST_GOOD = LAST - 1
INTERVAL = 0.2
BALLAST = 250_000  # numbers, which make a file large enough for a load to take its time
MAX_REQUESTS = 20_000  # of one client
PER_CONNECTION = 100
PREDICT = "/number/predict/"
ROW = {"values": [0.5, 0.5]}

APP = f"""
import os
from flask import Flask
from flask_skmodels import Artifact, SKModels
from flask_skmodels.versions.folder import VersionFolder

polls = 0
refresh = VersionFolder._refresh

def counted(self, sender, **options):
    global polls
    refresh(self, sender, **options)
    polls += 1

VersionFolder._refresh = counted
models = SKModels()
models.add("number", Artifact("versions/"), examples=[{ROW!r}])
app = Flask(__name__)
app.config.update(
    SKMODELS_ROOT=os.getcwd(), SKMODELS_TRUST_PICKLE=True, SKMODELS_RELOAD={INTERVAL},
    SKMODELS_TRIAL=False,  # a trial takes longer than a version is the newest here
)
models.init_app(app)

@app.after_request
def name_worker(response):
    response.headers["X-Worker"] = str(os.getpid())
    return response

@app.get("/polls")
def count_polls():
    return {{"polls": polls}}
"""


def dumped(estimator: Any) -> bytes:
    file = BytesIO()
    joblib.dump(estimator, file)
    return file.getvalue()


def version(number: int, features: int = 2) -> bytes:
    """Return the file of an estimator that predicts its own number."""
    X = np.array([[0.0] * features, [1.0] * features])
    estimator = DecisionTreeClassifier().fit(X, [number, number])
    estimator.ballast_ = np.zeros(BALLAST)
    return dumped(estimator)


def broken(number: int) -> bytes:
    kinds = (
        version(number)[:-1000],
        b"this is no pickle" * 1000,
        b"",
        version(number, features=3),
        dumped({"number": number}),
    )
    return kinds[BROKEN.index(number)]


def content(number: int) -> bytes:
    return broken(number) if number in BROKEN else version(number)


def drop_by_rename(folder: Path, number: int) -> None:
    aside = folder / f"{number}.part"
    aside.write_bytes(content(number))
    aside.rename(folder / f"{number}.joblib")


def drop_in_place(folder: Path, number: int) -> None:
    """Write a file slowly enough for a poll to find the half of it."""
    data = content(number)
    with (folder / f"{number}.joblib").open("wb") as file:
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):
            file.write(part)
            file.flush()
            sleep(2 * INTERVAL)


def wrong(response: Response) -> bool:
    """Return whether an answer is no good, or says another version than the one that gave it."""
    if response.status != 200:
        return True
    predicted = response.document["predictions"]
    said = {response.version, response.document["version"]}
    return said != {str(predicted[0])} or len(predicted) != 1


class Client:
    """Posts without a pause, over connections that it keeps for many requests.

    :ivar seen: how many answers each worker gave with each version
    :ivar failed: what went wrong
    """

    def __init__(self, server: Server, stop: Event) -> None:
        self.server, self.stop = server, stop
        self.seen: Counter[tuple[int, str | None]] = Counter()
        self.failed: list[Any] = []

    def run(self) -> None:
        while not (self.stop.is_set() or self.failed or self.seen.total() >= MAX_REQUESTS):
            with closing(self.server.connect()) as connection:
                try:
                    self._post(ask(connection, "POST", PREDICT, ROW) for _ in range(PER_CONNECTION))
                except (OSError, HTTPException) as error:
                    self.failed.append(repr(error))

    def _post(self, responses: Iterator[Response]) -> None:
        for response in responses:
            self.seen[response.worker, response.version] += 1
            if wrong(response):
                self.failed.append(response)
            if self.failed or self.stop.is_set():
                return


def poll_counts(server: Server, enough: dict[int, int] | None = None) -> dict[int, int]:
    """Return how often each worker has polled the folder; wait until each has often enough."""
    found: dict[int, int] = {}
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        with closing(server.connect()) as connection:
            assert not wrong(ask(connection, "POST", PREDICT, ROW))
            response = ask(connection, "GET", "/polls")
        polls = response.document["polls"]
        if enough is None or polls >= enough[response.worker]:
            found[response.worker] = polls
        if len(found) == WORKERS:
            return found
        sleep(0.005)
    raise AssertionError(f"of the workers only {found} have polled")


def served_by_each(server: Server) -> dict[int, str | None]:
    """Return the version that each worker serves."""
    responses = ask_each(server, WORKERS, PREDICT, ROW)
    assert not any(map(wrong, responses.values())), responses
    return {worker: response.version for worker, response in responses.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "versions"
    folder.mkdir()
    drop_by_rename(folder, 1)
    return folder


@pytest.fixture
def server(tmp_path: Path, folder: Path) -> Iterator[Server]:
    options = ("--worker-class", "gthread", "--threads", "8", "--keep-alive", "60")
    with gunicorn(tmp_path, APP, *options, workers=WORKERS) as server:
        yield server


@pytest.mark.representative
def test_versions_are_dropped_under_load(server: Server, folder: Path) -> None:
    poll_counts(server)  # both workers are up
    stop = Event()
    clients = [Client(server, stop) for _ in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(client.run) for client in clients]
        try:
            for number in range(2, LAST + 1):
                drop = drop_in_place if number % 4 in (0, 3) else drop_by_rename
                drop(folder, number)
                sleep(INTERVAL / 2)
            dropped = poll_counts(server)
            # One poll may have been under way when the last file came; the next began after it.
            poll_counts(server, {worker: polls + 2 for worker, polls in dropped.items()})
            newest = served_by_each(server)
        finally:
            stop.set()
        for each in running:
            each.result(timeout=60)
    seen: Counter[tuple[int, str | None]] = sum((client.seen for client in clients), Counter())
    log = server.log.read_text(encoding="utf-8", errors="replace")
    assert [each for client in clients for each in client.failed] == [], log
    assert newest == dict.fromkeys(dropped, str(NEWEST_GOOD)), log
    assert {worker for worker, _ in seen} == set(dropped)
    served = {said for _, said in seen}
    assert served <= {str(number) for number in range(1, LAST) if number not in BROKEN}
    assert len(served) > LAST // 3, served  # it was under load that they changed
    logger.info("%s requests, %s versions", seen.total(), len(served))


def test_the_broken_are_told_and_not_served(server: Server, folder: Path) -> None:
    poll_counts(server)
    for number in BROKEN:
        drop_by_rename(folder, number)
    dropped = poll_counts(server)
    poll_counts(server, {worker: polls + 2 for worker, polls in dropped.items()})
    assert served_by_each(server) == dict.fromkeys(dropped, "1")
    log = server.log.read_text(encoding="utf-8", errors="replace")
    for number in BROKEN:
        assert log.count(f"/{number}.joblib: ") >= WORKERS, log


@pytest.fixture
def idle(tmp_path: Path, folder: Path) -> Iterator[Server]:
    """A server whose workers poll only when a reload is requested."""
    module = APP.replace(f"SKMODELS_RELOAD={INTERVAL}", "SKMODELS_RELOAD=None")
    assert module != APP
    options = ("--worker-class", "gthread", "--threads", "4")
    with gunicorn(tmp_path, module, *options, workers=WORKERS) as server:
        yield server


def come_to(server: Server, version: str) -> dict[int, str | None]:
    """Return the version of each worker, as soon as all workers serve the same."""
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        found = served_by_each(server)
        if set(found.values()) == {version}:
            return found
        sleep(0.02)
    raise AssertionError(f"the workers serve {found}")


def test_reload_is_asked_for_from_a_shell(idle: Server, folder: Path) -> None:
    workers = set(come_to(idle, "1"))
    for number in (2, BROKEN[0]):
        drop_by_rename(folder, number)
    for _ in range(5):
        assert set(served_by_each(idle).values()) == {"1"}
    command = [sys.executable, "-m", "flask", "--app", "served_app", "skmodels", "reload", "number"]
    done = subprocess.run(
        command,
        cwd=folder.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == ("number: reload requested\n", 0), done.stderr
    assert set(come_to(idle, "2")) == workers


def test_worker_that_takes_the_place_of_another_passes_over_what_was_refused(
    idle: Server, folder: Path
) -> None:
    workers = set(come_to(idle, "1"))
    drop_by_rename(folder, OTHER_FIELDS)
    os.kill(min(workers), signal.SIGTERM)
    deadline = monotonic() + 30
    while monotonic() < deadline and min(workers) in set(served_by_each(idle)):
        sleep(0.05)
    now = served_by_each(idle)
    assert min(workers) not in now
    assert now == dict.fromkeys(now, "1")
