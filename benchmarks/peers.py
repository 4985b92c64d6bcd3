"""Who is measured: each server with its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import commands, exchanges
from benchmarks.commands import Command, granian, gunicorn
from benchmarks.exchanges import Exchanges
from benchmarks.workloads import Workload

SYNC = "gunicorn, 2 sync workers"
GTHREAD = "gunicorn, 2 gthread workers of 4 threads"
GRANIAN = "granian, 2 workers of 1 blocking thread"


@dataclass(frozen=True, eq=False)
class Peer:
    """A server with its settings.

    :param name: what options and results call it
    :param title: what the page calls it
    :param settings: how it is run, for the page
    :param command: prepares a site and returns the command that serves it
    :param exchanges: what to send for a workload, by format; empty where it cannot be asked
    :param environment: name of its environment, empty for the Python that runs the benchmarks
    :param packages: the distributions whose versions tell what was measured
    :param options: for the application of this library
    :param without: optional libraries that it is to do without
    :param is_restless: whether it works while nobody asks it, and so is stopped meanwhile
    :param takes_codes: whether it takes numbers in place of categories
    """

    name: str
    title: str
    settings: str
    command: Command
    exchanges: Callable[[Workload], Exchanges]
    environment: str = ""
    packages: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    is_restless: bool = False
    takes_codes: bool = False


def _on_each_server(
    name: str, title: str, asked: Callable[[Workload], Exchanges], **options: Any
) -> list[Peer]:
    """Return a WSGI application on each of the three servers.

    :param name: also that of its module in :mod:`benchmarks.served`
    """
    servers = {
        "sync": (SYNC, gunicorn(name, *commands.SYNC)),
        "gthread": (GTHREAD, gunicorn(name, *commands.GTHREAD)),
        "granian": (GRANIAN, granian(name)),
    }
    return [
        Peer(f"{name}-{server}", title, settings, command, asked, packages=WSGI, **options)
        for server, (settings, command) in servers.items()
    ]


WSGI = (
    *("flask", "gunicorn", "granian", "scikit-learn", "numpy", "pandas"),
    *("orjson", "pyarrow", "pysimdjson"),
)
WITHOUT_FAST = Peer(
    "library-plain",
    "Flask-SKModels without the extra fast",
    SYNC,
    gunicorn("library", *commands.SYNC),
    exchanges.rows_and_columns,
    without=("simdjson",),
)
WITHOUT_LANE = tuple(
    Peer(
        f"library-flask-{server}",
        "Flask-SKModels without the fast lane",
        settings,
        command,
        exchanges.library_one_row,
        options={"config": {"SKMODELS_FAST_LANE": False}},
    )
    for server, settings, command in (
        ("sync", SYNC, gunicorn("library", *commands.SYNC)),
        ("granian", GRANIAN, granian("library")),
    )
)
PEERS = (
    *_on_each_server("library", "Flask-SKModels", exchanges.library),
    *WITHOUT_LANE,
    WITHOUT_FAST,
    *_on_each_server("hello", "bare Flask", exchanges.hello),
    *_on_each_server("hello_json", "Flask, JSON in and out", exchanges.hello_json),
    Peer(
        "by-hand",
        "hand-written Flask",
        SYNC,
        gunicorn("by_hand", *commands.SYNC),
        exchanges.by_hand,
    ),
    Peer(
        "concept",
        "the original proof of concept",
        f"{SYNC}; Cerberus checks each row",
        gunicorn("concept", *commands.SYNC),
        exchanges.one_row_only,
        packages=("cerberus",),
    ),
    Peer(
        "fastapi",
        "hand-written FastAPI",
        "uvicorn, 2 workers, uvloop and httptools, no access log; an async route",
        commands.uvicorn,
        exchanges.fastapi,
        "fastapi",
        ("fastapi", "pydantic", "uvicorn", "uvloop"),
    ),
    Peer(
        "mlserver",
        "MLServer",
        "parallel_workers 0, so one process",
        commands.mlserver(),
        exchanges.open_inference,
        "mlserver",
        ("mlserver", "mlserver-lightgbm", "mlserver-sklearn", "lightgbm", "uvloop"),
        takes_codes=True,
    ),
    Peer(
        "mlserver-batching",
        "MLServer, adaptive batching",
        "parallel_workers 0, max_batch_size 32, max_batch_time 0.002",
        commands.mlserver(max_batch_size=32, max_batch_time=0.002),
        exchanges.open_inference_one_row,
        "mlserver",
        takes_codes=True,
    ),
    Peer(
        "mlflow",
        "MLflow",
        "mlflow models serve, env-manager local, 2 workers",
        commands.mlflow,
        exchanges.invocations,
        "mlflow",
        ("mlflow", "fastapi", "uvicorn"),
        takes_codes=True,
    ),
    Peer(
        "bentoml",
        "BentoML",
        "bentoml serve, 2 workers",
        commands.bentoml,
        exchanges.bentoml,
        "bentoml",
        ("bentoml", "uvicorn"),
    ),
    Peer(
        "litserve",
        "LitServe",
        "workers_per_device 2, max_batch_size 32, batch_timeout 0.002",
        commands.litserve,
        exchanges.litserve,
        "litserve",
        ("litserve", "fastapi", "uvicorn"),
        is_restless=True,
    ),
)
