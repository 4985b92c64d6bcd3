"""Executors that run the chunks elsewhere: the same output as in this process."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from flask import Flask

from flask_skmodels import Artifact, KeyValueModel, ScoringError, SKModels
from flask_skmodels.bulk import shipped_model
from flask_skmodels.bulk.executors import processes
from flask_skmodels.hints import install_line
from tests.bulk.conftest import Score
from tests.support.helpers import SCHEMA
from tests.support.scoring import frame, good
from tests.support.skips import library

TABLE = good(frame(200))


class Served:
    """An application that serves a model from a file, or code of the test.

    :param folder: where the file is, and the rows
    :param model: the code
    """

    def __init__(self, folder: Path, model: KeyValueModel | Artifact) -> None:
        self.app = Flask("served", instance_path=str(folder))
        self.app.config.update(SKMODELS_TRUST_PICKLE=True)
        self.models = SKModels(self.app)
        if isinstance(model, Artifact):
            self.models.add("iris", model, schema=SCHEMA)
        else:
            self.models.register(model)

    def score(self, **options: Any) -> list[Any]:
        """Return the predictions of the rows, two chunks of them."""
        Path("out.parquet").unlink(missing_ok=True)
        options = {"chunk_rows": 100, **options}
        self.models.score("iris", "in.parquet", "out.parquet", app=self.app, **options)
        return list(pd.read_parquet("out.parquet")["prediction"])


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    TABLE.to_parquet("in.parquet")
    return tmp_path


@pytest.fixture
def served(folder: Path, pipeline: Any) -> Served:
    joblib.dump(pipeline, "iris.joblib")
    return Served(folder, Artifact(folder / "iris.joblib"))


@pytest.fixture
def expected(pipeline: Any) -> list[Any]:
    return list(pipeline.predict(TABLE[list(SCHEMA)].to_numpy()))


@pytest.fixture
def dask_address() -> Iterator[str]:
    """The address of a scheduler of Dask with two workers, which are threads."""
    distributed = library("distributed")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(processes=False, protocol="tcp", **options) as cluster:
        yield cluster.scheduler_address


@pytest.mark.full
def test_dask(
    served: Served, expected: list[Any], dask_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.score(engine="dask", address=dask_address) == expected
    Path("iris.joblib").unlink()  # so that the workers do not see it
    monkeypatch.setattr(shipped_model, "_loaded", OrderedDict())
    assert served.score(engine="dask", address=dask_address) == expected


@pytest.mark.full
def test_dask_that_is_not_there(served: Served) -> None:
    config = library("dask.config")
    wait = config.set({"distributed.comm.timeouts.connect": 0.1})
    with wait, pytest.raises(ScoringError, match=r"no Dask scheduler at tcp://127\.0\.0\.1:1: "):
        served.score(engine="dask", address="tcp://127.0.0.1:1")


@pytest.mark.full
def test_ray(served: Served, expected: list[Any]) -> None:
    library("ray")
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert served.score(engine="ray", jobs=1) == expected
    finally:
        signal.signal(signal.SIGTERM, handler)  # Ray has replaced it


class Dying(KeyValueModel):
    """Ends the process that predicts."""

    name = "iris"
    schema = SCHEMA

    def predict(self, X: Any) -> Any:
        os._exit(1)


@pytest.mark.full
def test_workers_that_die_on_the_same_rows(
    folder: Path, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MAX_DEATHS", 1)
    served = Served(folder, Dying(pipeline=pipeline))
    with pytest.raises(
        ScoringError, match=r"workers have died on the chunk of .*in.parquet that begins at row 0"
    ):
        served.score(jobs=2, chunk_rows=500)


def test_engine_that_is_unknown_or_has_no_address(score: Score) -> None:
    with pytest.raises(ScoringError, match=r"an address needs an engine"):
        score("in.parquet", "out/", address="tcp://127.0.0.1:1")
    with pytest.raises(ScoringError, match=r"engine must be one of local, dask, ray"):
        score("in.parquet", "out/", engine="spark")


@pytest.mark.parametrize(("engine", "module"), [("dask", "distributed"), ("ray", "ray")])
def test_missing_library_names_its_extra(
    score: Score, monkeypatch: pytest.MonkeyPatch, engine: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ScoringError, match=re.escape(install_line(engine))):
        score("in.parquet", "out/", engine=engine)
