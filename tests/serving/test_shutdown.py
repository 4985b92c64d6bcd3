"""A shutdown of a real server: it reports that it is not ready, and completes what it has."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests.support.gunicorn import HOST, PATIENCE, ROOT
from tests.support.skips import FORK, library

pytestmark = [pytest.mark.full, FORK]

EXAMPLE = ROOT / "examples" / "drain"
SECONDS = 3
READY = "/-/health/ready"

# The application of the example, with a model whose predictions take as long as the phase does.
SLOW = f"""
import sys
sys.path.insert(0, {str(EXAMPLE)!r})
from time import sleep
from app import create_app as create, models
from flask_skmodels import before_prediction

def wait(app, model, prediction, **extra):
    if prediction.rows == 2:
        sleep({SECONDS + 1})

before_prediction.connect(wait)

def create_app():
    return create()
"""


def free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def commands(folder: Path, port: int) -> dict[str, list[str]]:
    config = str(EXAMPLE / "gunicorn.conf.py")
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", config, "--workers", "2"]
    gunicorn += ["--threads", "4", "--bind", f"{HOST}:{port}", "slow:create_app()"]
    server = (EXAMPLE / "granian_server.py").read_text(encoding="utf-8")
    (folder / "server.py").write_text(server.replace('"app:create_app"', '"slow:create_app"'))
    return {"gunicorn": gunicorn, "granian": [sys.executable, "server.py"]}


@contextmanager
def served(name: str, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "slow.py").write_text(SLOW, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "FLASK_SKMODELS_DRAIN_FILE": str(folder / "draining"),
        "DRAIN_SECONDS": str(SECONDS),
        "PORT": str(port),
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            commands(folder, port)[name],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def send(port: int, method: str, path: str, body: str | None = None) -> int:
    with closing(HTTPConnection(HOST, port, timeout=30)) as connection:
        headers = {"Content-Type": "application/json", "Connection": "close"}
        connection.request(method, path, body, headers if body else {})
        response = connection.getresponse()
        response.read()
        return response.status


def predict(port: int, rows: int = 1) -> int:
    return send(port, "POST", "/iris/predict/", str([[5.1, 3.5, 1.4, 0.2]] * rows))


def wait_until_ready(port: int) -> None:
    deadline = monotonic() + PATIENCE
    while monotonic() < deadline:
        with suppress(OSError):
            if send(port, "GET", READY) == 200:
                return
        sleep(0.1)
    raise AssertionError("the server is not ready")


@pytest.mark.parametrize(
    "name", [pytest.param("gunicorn", marks=pytest.mark.representative), "granian"]
)
def test_server_is_not_ready_for_some_seconds_and_then_stops(name: str, tmp_path: Path) -> None:
    library(name)
    port = free_port()
    with served(name, tmp_path, port) as process, ThreadPoolExecutor(4) as pool:
        wait_until_ready(port)
        slow = [pool.submit(predict, port, 2) for _ in range(3)]
        sleep(0.5)
        process.send_signal(signal.SIGTERM)
        sleep(0.5)
        ended = monotonic() + SECONDS - 1
        statuses = []
        while monotonic() < ended:
            statuses.append((send(port, "GET", READY), predict(port)))
            sleep(0.1)
        log = (tmp_path / "log").read_text(encoding="utf-8")
        assert set(statuses) == {(503, 200)}, log
        assert [each.result(30) for each in slow] == [200] * 3, log
        assert process.wait(30) == 0, log
        assert not (tmp_path / "draining").exists()
        with pytest.raises(OSError, match="refused"):
            predict(port)
