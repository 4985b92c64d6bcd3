"""How each server is started: what writes the files that it needs, and returns its command."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import ROOT
from benchmarks.environments import Environment
from benchmarks.served import shelf
from benchmarks.served.shelf import is_from_lightgbm
from benchmarks.servers import HOST, free_port
from benchmarks.workloads import Workload

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True)
class Site:
    """Where a server is set up.

    :param environment: the peer's Python
    :param folder: a folder of its own, with the pipeline and its card
    :param workload: what it serves
    :param port: where it is to listen
    """

    environment: Environment
    folder: Path
    workload: Workload
    port: int

    @property
    def bind(self) -> str:
        return f"{HOST}:{self.port}"

    def tool(self, name: str) -> str:
        """Return the path of a command of the peer's environment."""
        return str(self.environment.bin / name)


Command = Callable[[Site], list[str]]


def variables(
    environment: Environment,
    folder: Path,
    options: Mapping[str, Any] | None = None,
    without: Iterable[str] = (),
) -> dict[str, str]:
    """Return the environment variables of what serves a folder.

    :param environment: its Python, whose commands are found first
    :param options: for the application of this library
    :param without: optional libraries that it is to do without
    """
    return {
        **os.environ,
        **THREADS,
        "PATH": f"{environment.bin}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        shelf.VARIABLE: str(folder),
        shelf.OPTIONS: json.dumps(options or {}),
        shelf.WITHOUT: " ".join(without),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


# Servers of WSGI applications


def gunicorn(module: str, *options: str, workers: int = 2) -> Command:
    """Return what makes the command that serves an application factory with gunicorn."""

    def command(site: Site) -> list[str]:
        application = f"benchmarks.served.{module}:create_app()"
        fixed = ["--bind", site.bind, "--workers", str(workers)]
        return [site.tool("gunicorn"), *fixed, *options, application]

    return command


def granian(module: str) -> Command:
    """Return what makes the command that serves an application factory with granian."""

    def command(site: Site) -> list[str]:
        where = ["--host", HOST, "--port", str(site.port)]
        how = [
            "--interface",
            "wsgi",
            "--workers",
            "2",
            "--blocking-threads",
            "1",
            "--no-access-log",
        ]
        target = f"benchmarks.served.{module}:create_app"
        return [site.tool("granian"), *where, *how, "--factory", target]

    return command


SYNC = ("--worker-class", "sync")
GTHREAD = ("--worker-class", "gthread", "--threads", "4")


# Others


def uvicorn(site: Site) -> list[str]:
    where = ["--host", HOST, "--port", str(site.port)]
    how = ["--workers", "2", "--no-access-log", "--log-level", "warning"]
    return [site.tool("uvicorn"), *where, *how, "benchmarks.served.fastapi_app:app"]


def mlserver(**batching: Any) -> Command:
    def command(site: Site) -> list[str]:
        settings = {
            "host": HOST,
            "http_port": site.port,
            "grpc_port": free_port(),
            "metrics_port": free_port(),
            "parallel_workers": 0,
            "debug": False,
        }
        implementation, uri = "mlserver_sklearn.SKLearnModel", site.folder / "pipeline.joblib"
        if is_from_lightgbm(site.workload.pipeline):
            implementation, uri = "mlserver_lightgbm.LightGBMModel", site.folder / "model.txt"
            site.workload.pipeline.booster_.save_model(uri)
        model = {
            "name": site.workload.model,
            "implementation": implementation,
            "parameters": {"uri": str(uri)},
            **batching,
        }
        (site.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        (site.folder / "model-settings.json").write_text(json.dumps(model), encoding="utf-8")
        return [site.tool("mlserver"), "start", str(site.folder)]

    return command


def mlflow(site: Site) -> list[str]:
    model = site.folder / "model"
    subprocess.run(
        [site.environment.python, "-m", "benchmarks.served.mlflow_model", str(model)],
        env=variables(site.environment, site.folder),
        cwd=site.folder,
        check=True,
        capture_output=True,
        timeout=120,
    )
    how = ["--env-manager", "local", "--workers", "2", "--host", HOST, "--port", str(site.port)]
    return [site.tool("mlflow"), "models", "serve", "--model-uri", str(model), *how]


def bentoml(site: Site) -> list[str]:
    where = ["--host", HOST, "--port", str(site.port)]
    return [site.tool("bentoml"), "serve", "benchmarks.served.bento:service", *where]


def litserve(site: Site) -> list[str]:
    return [site.environment.python, "-m", "benchmarks.served.lit", str(site.port)]
