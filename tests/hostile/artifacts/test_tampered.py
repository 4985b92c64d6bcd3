"""Tampered artifacts are refused or served; none crashes, hangs or fills the memory.

Each artifact has one array or number changed, and is loaded and called in a process of its own that
has no trial: the checks alone must hold.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skops.io

from tests.hostile.artifacts import trier
from tests.hostile.artifacts.mutations import of_onnx, of_pickle, of_skops
from tests.hostile.artifacts.sound import BOOSTERS, ROW, SOUND, X, sound
from tests.support.selection import cases
from tests.support.skips import LINUX, library

pytestmark = LINUX

GROWTH = 256 * 1024  # kilobytes
QUICK = ["tree", "support vectors", "neighbors, k-d tree"]
EACH = 12  # of the changes of one artifact are tried in the plain run


class Trier:
    """The process that tries artifacts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        command = [sys.executable, "-m", trier.__name__]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __call__(self, name: str, data: bytes, row: Any, trusted: tuple[str, ...] = ()) -> Any:
        """Return the result for one artifact."""
        (self.root / name).write_bytes(data)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        case = {"root": str(self.root), "path": name, "row": row, "trusted": trusted}
        self.process.stdin.write(f"{json.dumps(case)}\n".encode())
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def try_artifact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trier]:
    tries = Trier(tmp_path_factory.mktemp("hostile"))
    yield tries
    tries.process.communicate()


def check(outcome: Any, label: str) -> str:
    """Check that a process has ended by itself, soon, and without much memory."""
    assert outcome["exit"] == 0, (label, outcome)
    assert outcome["result"].startswith(("refused: ", "served: ")), (label, outcome)
    assert outcome["kilobytes"] < GROWTH, (label, outcome)
    return str(outcome["result"])


def some(changes: Iterator[tuple[str, bytes]], pytestconfig: pytest.Config) -> list[Any]:
    """Return all changes with ``--full``, else some of them from all parts of the artifact."""
    all_changes = list(changes)
    if pytestconfig.getoption("full"):
        return all_changes
    return all_changes[:: max(1, len(all_changes) // EACH)]


def trusted_types(data: bytes) -> tuple[str, ...]:
    return tuple(skops.io.get_untrusted_types(data=data))


@pytest.mark.parametrize("name", cases(SOUND, quick=QUICK))
def test_skops(name: str, try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    if name in BOOSTERS:
        library(name.lower())
    estimator, row = sound(name)
    data = skops.io.dumps(estimator)
    trusted = trusted_types(data)
    assert check(try_artifact("a.skops", data, row, trusted), "unchanged") == "served: [200]"
    results = [
        check(try_artifact("a.skops", changed, row, trusted), label)
        for label, changed in some(of_skops(data), pytestconfig)
    ]
    assert any("is damaged" in result or "cannot be loaded" in result for result in results)


@pytest.mark.parametrize("name", cases(SOUND, quick=QUICK))
def test_pickle(name: str, try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    if name in BOOSTERS:
        library(name.lower())
    estimator, row = sound(name)
    data = pickle.dumps(estimator)
    assert check(try_artifact("a.pickle", data, row), "unchanged") == "served: [200]"
    for label, changed in some(of_pickle(estimator), pytestconfig):
        check(try_artifact("a.pickle", changed, row), label)


@pytest.mark.parametrize(
    "name", cases(["forest", "boosting", "neighbors, brute force"], ["forest"])
)
def test_onnx(name: str, try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    import skl2onnx

    data = skl2onnx.to_onnx(sound(name)[0], X[:1].astype(np.float32)).SerializeToString()
    assert check(try_artifact("a.onnx", data, ROW), "unchanged") == "served: [200]"
    for label, changed in some(of_onnx(data), pytestconfig):
        check(try_artifact("a.onnx", changed, ROW), label)
