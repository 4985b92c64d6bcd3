"""A thousand models on one application: how it starts, and whether one of them is any slower.

``pytest benchmarks -o python_files='bench_*.py' -s`` prints the figures. The latency of a model
among a thousand is given as a ratio to that of a model on its own, the two timed in turn; what is
printed is the median over the rounds with the lowest and the highest.

A request is a call of the application, without a server and its sockets, which would hide much.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import joblib
import numpy as np
import pytest
from flask import Flask
from sklearn.linear_model import LogisticRegression

from flask_skmodels import Artifact, SKModels

MANY = 1000
ROUNDS = 41
REQUESTS = 100  # of each side in a round
BODY = b'{"values":[5.1,3.5,1.4,0.2]}'


def report(name: str, found: Sequence[float], wanted: str) -> None:
    spread = f"{min(found):.3f} to {max(found):.3f}"
    print(f"\n{name}: {median(found):.3f} ({spread}); to reach: {wanted}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    source = np.random.default_rng(0)
    X = source.random((100, 4))
    for number in range(MANY):
        estimator = LogisticRegression().fit(X, source.integers(0, 2, 100))
        joblib.dump(estimator, folder / f"m{number}.joblib")
    return folder


@pytest.fixture(scope="module")
def folders(folder: Path) -> Path:
    """The same estimators, each as the only version in a folder of its own."""
    for number in range(MANY):
        own = folder / f"m{number}"
        own.mkdir()
        (own / "1.joblib").hardlink_to(folder / f"m{number}.joblib")
    return folder


def app_of(
    folder: Path, models: int, suffix: str = ".joblib", **attributes: Any
) -> tuple[Flask, float]:
    """Return an application with that many models, and the seconds that init_app took."""
    extension = SKModels()
    for number in range(models):
        extension.add(f"m{number}", Artifact(f"m{number}{suffix}"), **attributes)
    app = Flask("bench")
    app.config.update(
        SKMODELS_ROOT=str(folder), SKMODELS_TRUST_PICKLE=True, SKMODELS_LOADING="first-use"
    )
    gc.collect()  # what applications before it left is not to be collected on its time
    started = perf_counter()
    extension.init_app(app)
    return app, perf_counter() - started


def post(app: Flask, number: int) -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/m{number}/predict/",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "wsgi.input": BytesIO(BODY),
        "wsgi.errors": BytesIO(),
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    b"".join(app.wsgi_app(environ, answered_well))


def answered_well(status: str, *rest: Any) -> Any:
    if status != "200 OK":
        raise AssertionError(status)


def seconds(app: Flask, numbers: Sequence[int]) -> float:
    started = perf_counter()
    for number in numbers:
        post(app, number)
    return perf_counter() - started


def ratios(one: Flask, many: Flask, pick: Callable[[], Sequence[int]]) -> list[float]:
    """Return the time of requests among many to that of as many to one, round by round."""
    found = []
    for place in range(ROUNDS):
        picked, alone = pick(), [0] * REQUESTS
        calls: list[Callable[[], float]] = [
            lambda: seconds(many, picked),  # noqa: B023 - called in this round
            lambda: seconds(one, alone),  # noqa: B023
        ]
        order = (0, 1) if place % 2 else (1, 0)
        took = {which: calls[which]() for which in order}
        found.append(took[0] / took[1])
    return found


@pytest.fixture(scope="module")
def apps(folder: Path) -> tuple[Flask, Flask]:
    """Return an application with one model and one with many, all of them loaded."""
    one, many = app_of(folder, 1)[0], app_of(folder, MANY)[0]
    for _ in range(2):
        seconds(one, [0] * REQUESTS)
        seconds(many, range(MANY))
    return one, many


@pytest.mark.parametrize(("suffix", "probability"), [(".joblib", False), ("/", False), ("/", True)])
def test_start(benchmark: Any, folders: Path, suffix: str, *, probability: bool) -> None:
    def start() -> float:
        return app_of(folders, MANY, suffix, probability=probability)[1]

    kind = "folders" if suffix == "/" else "files"
    also = " with probability" if probability else ""
    report(f"start with {MANY} {kind}{also}, seconds", [start() for _ in range(7)], "less than 1")
    benchmark.pedantic(start, rounds=3)


@pytest.mark.parametrize("number", [0, MANY // 2, MANY - 1])
def test_one_of_many(benchmark: Any, apps: tuple[Flask, Flask], number: int) -> None:
    one, many = apps
    found = ratios(one, many, lambda: [number] * REQUESTS)
    report(f"model {number} of {MANY} / a single model", found, "1.05 at most")
    benchmark(lambda: post(many, number))


def test_each_of_many_in_turn(benchmark: Any, apps: tuple[Flask, Flask]) -> None:
    """Each request is to another model, whose memory no cache of the processor holds by then."""
    one, many = apps
    source = random.Random(0)
    found = ratios(one, many, lambda: source.sample(range(MANY), REQUESTS))
    report(f"any of {MANY}, each request another / a single model", found, "no figure is set")
    benchmark(lambda: post(many, source.randrange(MANY)))
