"""Databases as source and sink: real SQLite, and a real PostgreSQL where a server is installed."""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest

from flask_skmodels import ScoringError
from flask_skmodels.hints import pip_install
from tests.bulk.conftest import Score
from tests.support.scoring import ROWS, frame, good
from tests.support.skips import library

TABLE = frame()
QUERY = "select * from customers order by id"
DRIVERS = ["adbc", "sqlalchemy"]


def sqlite_url(path: Path, driver: str, monkeypatch: pytest.MonkeyPatch) -> str:
    if driver == "sqlalchemy":
        library("sqlalchemy")
        return f"sqlite+pysqlite:///{path}"
    library("adbc_driver_sqlite")
    return f"sqlite:///{path}"


def fill(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        TABLE.to_sql("customers", connection, index=False)
    connection.close()


@pytest.mark.parametrize("driver", DRIVERS)
def test_query_and_table_of_sqlite(
    score: Score, tmp_path: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "customers.db")
    source = sqlite_url(tmp_path / "customers.db", driver, monkeypatch)
    sink = sqlite_url(tmp_path / "scores.db", driver, monkeypatch)
    options: dict[str, Any] = {"query": QUERY, "table": "scores", "keep": ["id", "segment"]}
    summary = score(source, sink, **options)
    assert (summary.rows, summary.scored) == (ROWS, ROWS - 3)
    assert summary.output.endswith("scores.db#scores")
    assert summary.rejects == "scores.rejects.parquet"
    connection = sqlite3.connect(tmp_path / "scores.db")
    written = pd.read_sql("select * from scores", connection)
    connection.close()
    assert list(written.columns) == ["id", "segment", "prediction"]
    assert written["id"].tolist() == good(TABLE)["id"].tolist()
    with pytest.raises(ScoringError, match=r"scores.db#scores exists already"):
        score(source, sink, **options)


@pytest.mark.parametrize("driver", DRIVERS)
def test_errors_of_a_database_are_one_line(
    score: Score, tmp_path: Path, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sqlite_url(tmp_path / "customers.db", driver, monkeypatch)
    with pytest.raises(ScoringError, match=r"customers.db: .*no such table: customers"):
        score(source, "out.csv", query=QUERY)
    with pytest.raises(ScoringError, match=r"a database as the source needs a query"):
        score(source, "out.csv")
    with pytest.raises(ScoringError, match=r"name the table of the output with --table"):
        score([TABLE], source)
    with pytest.raises(ScoringError, match=r"a query needs the URL of one database"):
        score("in.csv", "out.csv", query=QUERY)


def test_keys_of_all_types_in_a_table(score: Score, tmp_path: Path) -> None:
    library("sqlalchemy")
    table = TABLE.assign(
        paid=TABLE["id"] % 2 == 0,
        day=dt.date(2026, 1, 2),
        at=pd.Timestamp("2026-01-02T03:04"),
    )
    table.to_parquet("in.parquet")
    names = ["paid", "day", "at"]
    score("in.parquet", f"sqlite+pysqlite:///{tmp_path}/a.db", table="scores", keep=names)
    connection = sqlite3.connect(tmp_path / "a.db")
    written = pd.read_sql("select * from scores", connection)
    connection.close()
    assert written["paid"].tolist() == good(table)["paid"].astype(int).tolist()
    assert set(written["day"]) == {"2026-01-02"}
    assert set(written["at"]) == {"2026-01-02 03:04:00.000000"}


def test_missing_library_is_named(score: Score, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    url = "sqlite+pysqlite:///a.db"
    message = re.escape(f"sqlalchemy is not installed: {pip_install('sqlalchemy')}")
    with pytest.raises(ScoringError, match=message):
        score([TABLE], url, table="scores")
    with pytest.raises(ScoringError, match=message):
        score(url, "out.csv", query=QUERY)


def test_passwords_are_not_shown() -> None:
    from flask_skmodels.bulk.databases import shown

    assert shown("postgresql://me:secret@host/db") == "postgresql://me@host/db"
    assert shown("sqlite:///file.db") == "sqlite:///file.db"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """Return the URL of a server that runs for these tests."""
    programs = _programs()
    psycopg = library("psycopg")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    # Not in the folder of the tests: nobody else may enter that of a worker of pytest.
    with TemporaryDirectory() as folder:
        as_user = _as_nobody(folder) if os.getuid() == 0 else []  # it refuses to run as root
        data = f"{folder}/data"
        init = [programs["initdb"], "-A", "trust", "-U", "postgres", "-D", data, "--no-sync"]
        subprocess.run([*as_user, *init], check=True, capture_output=True, cwd="/")
        start = [programs["postgres"], "-D", data, "-p", str(port), "-k", folder, "-F"]
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([*as_user, *start], **quiet, cwd="/") as server:
            try:
                with _connected(psycopg, url) as connection:
                    _fill_postgresql(connection)
                yield url
            finally:
                server.terminate()


def _as_nobody(folder: str) -> list[str]:
    """Give a folder to the user nobody, and return the words that run a command as that user."""
    shutil.chown(folder, "nobody")
    return ["runuser", "-u", "nobody", "--"]


def _connected(psycopg: Any, url: str) -> Any:
    """Return a connection to a server that may be about to start."""
    for _ in range(200):
        with suppress(psycopg.OperationalError):
            return psycopg.connect(url)
        time.sleep(0.05)
    raise AssertionError("PostgreSQL has not started")


def _programs() -> dict[str, str]:
    folders = [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    found = {}
    for name in ("initdb", "postgres"):
        path = next((p for f in folders if (p := shutil.which(name, path=f))), shutil.which(name))
        if path is None:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        found[name] = path
    return found


def _fill_postgresql(connection: Any) -> None:
    names = ", ".join(f"{name} double precision" for name in TABLE.columns[1:5])
    connection.execute("drop table if exists customers")
    connection.execute(f"create table customers (id bigint, {names}, segment text)")
    with connection.cursor().copy("copy customers from stdin") as copy:
        for row in TABLE.itertuples(index=False):
            copy.write_row(tuple(row))


@pytest.mark.full
@pytest.mark.parametrize("driver", DRIVERS)
def test_query_and_table_of_postgresql(score: Score, postgresql: str, driver: str) -> None:
    library("adbc_driver_postgresql" if driver == "adbc" else "sqlalchemy")
    url = postgresql if driver == "adbc" else postgresql.replace("://", "+psycopg://")
    options: dict[str, Any] = {"query": QUERY, "table": f"scores_{driver}", "keep": ["id"]}
    summary = score(url, url, method="predict_proba", **options)
    assert (summary.rows, summary.scored) == (ROWS, ROWS - 3)
    psycopg = library("psycopg")
    with psycopg.connect(postgresql) as connection:
        rows = connection.execute(f'select id, "0" from scores_{driver} order by id').fetchall()
    assert [row[0] for row in rows] == good(TABLE)["id"].tolist()
