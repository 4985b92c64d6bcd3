"""Two processes give the bytes of one, whether or not they can map files in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flask_skmodels.bulk.executors import memory_files
from tests.bulk.conftest import Score
from tests.bulk.test_runs import bytes_of, remove
from tests.support.scoring import frame
from tests.support.selection import cases

OPTIONS: dict[str, Any] = {"keep": ["id", "segment"], "chunk_rows": 150}


def no_file(name: str) -> int:
    raise OSError(24, "Too many open files")


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "files in memory": ("in.parquet", {}),
    "files in memory, CSV": ("in.csv", {}),
    "no file can be made": ("in.csv", {"_create": no_file}),
    "no file can be opened": ("in.parquet", {"_path_of": lambda number: f"/proc/0/fd/{number}"}),
}


@pytest.mark.parametrize("name", cases(CASES, quick=["files in memory"]))
def test_two_processes_give_the_bytes_of_one(
    score: Score, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source, changes = CASES[name]
    frame().to_parquet("in.parquet")
    frame().to_csv("in.csv", index=False)
    summary = score(source, "out/", **OPTIONS)
    expected = bytes_of("out/") | bytes_of("out.rejects.parquet")
    remove()
    for attribute, value in changes.items():
        monkeypatch.setattr(memory_files, attribute, value)
    assert score(source, "out/", jobs=2, **OPTIONS).rows == summary.rows
    assert bytes_of("out/") | bytes_of("out.rejects.parquet") == expected
    assert open_memory_files() == []


def open_memory_files() -> list[str]:
    links = [path for path in Path("/proc/self/fd").glob("*") if path.is_symlink()]
    return [name for link in links if "memfd:skmodels" in (name := str(link.readlink()))]
