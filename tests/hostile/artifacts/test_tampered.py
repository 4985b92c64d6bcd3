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

from flask_skmodels.estimators import introspect
from tests.hostile.artifacts import trier
from tests.hostile.artifacts.mutations import of_mlflow, of_onnx, of_pickle, of_skops
from tests.hostile.artifacts.sound import BOOSTERS, SOUND, X, sound
from tests.support.selection import cases
from tests.support.skips import LINUX, library

pytestmark = LINUX

GROWTH = 256 * 1024  # kilobytes
QUICK = ["tree", "support vectors"]
EACH = 8  # of the changes of one artifact are tried in the plain run


class Trier:
    """The process that tries artifacts."""

    def __init__(self, root: Path) -> None:
        self.root = root
        command = [sys.executable, "-m", trier.__name__]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    def __call__(self, name: str, data: bytes | None, case: dict[str, Any]) -> Any:
        """Return the result for one artifact; without data, it is in the folder already."""
        if data is not None:
            (self.root / name).write_bytes(data)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        line = json.dumps({"root": str(self.root), "path": name, **case})
        self.process.stdin.write(f"{line}\n".encode())
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


def some(
    changes: Iterator[tuple[str, bytes]], pytestconfig: pytest.Config, count: int
) -> list[tuple[str, bytes]]:
    """Return some of the changes, from all parts of the artifact; more with ``--full``."""
    all_changes = list(changes)
    count = count if pytestconfig.getoption("full") else EACH
    return all_changes[:: -(-len(all_changes) // count) or 1]


def of_sound(name: str) -> tuple[Any, dict[str, Any]]:
    """Return a sound estimator, and a row and the methods to call."""
    if name in BOOSTERS:
        library(name.lower())
    estimator, row = sound(name)
    return estimator, {"row": row, "methods": introspect.methods(estimator)}


@pytest.mark.parametrize("name", cases(SOUND, quick=QUICK))
def test_skops(name: str, try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    estimator, case = of_sound(name)
    data = skops.io.dumps(estimator)
    case["trusted"] = skops.io.get_untrusted_types(data=data)
    assert check(try_artifact("a.skops", data, case), "unchanged") == "served: [200]"
    for label, changed in some(of_skops(data), pytestconfig, 20):
        check(try_artifact("a.skops", changed, case), label)


@pytest.mark.parametrize("name", cases(SOUND, quick=QUICK))
def test_pickle(name: str, try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    estimator, case = of_sound(name)
    data = pickle.dumps(estimator)
    assert check(try_artifact("a.pickle", data, case), "unchanged") == "served: [200]"
    for label, changed in some(of_pickle(estimator), pytestconfig, 10):
        check(try_artifact("a.pickle", changed, case), label)


GRAPHS = ["forest", "boosting", "neighbors, brute force", "support vectors"]


@pytest.mark.parametrize("name", cases(GRAPHS, quick=["forest"]))
def test_onnx(name: str, try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    import skl2onnx

    estimator, case = of_sound(name)
    data = skl2onnx.to_onnx(
        estimator, X[:1].astype(np.float32), target_opset={"": 18, "ai.onnx.ml": 3}
    ).SerializeToString()
    case["methods"] = None
    assert check(try_artifact("a.onnx", data, case), "unchanged") == "served: [200]"
    for label, changed in some(of_onnx(data), pytestconfig, 60):
        check(try_artifact("a.onnx", changed, case), label)


def test_mlflow(try_artifact: Trier, pytestconfig: pytest.Config) -> None:
    estimator, case = of_sound("support vectors, linear")
    folder = try_artifact.root / "mlflow"
    folder.mkdir()
    document = {
        "flavors": {"sklearn": {"pickled_model": "model.skops"}},
        "signature": {"inputs": json.dumps([{"type": "double"}] * 4)},
        "saved_input_example_info": {"artifact_path": "example.json"},
    }
    files = {"MLmodel": json.dumps(document), "example.json": json.dumps([case["row"]])}
    (folder / "model.skops").write_bytes(skops.io.dumps(estimator))
    sound_folder = ("unchanged", "MLmodel", files["MLmodel"])
    for label, name, text in [sound_folder, *_some_of(document, pytestconfig)]:
        for each, content in {**files, name: text}.items():
            (folder / each).write_text(content)
        result = check(try_artifact("mlflow", None, case), label)
        assert label != "unchanged" or result == "served: [200]"


def _some_of(document: dict[str, Any], pytestconfig: pytest.Config) -> list[tuple[str, str, str]]:
    changes = list(of_mlflow(document))
    return changes if pytestconfig.getoption("full") else changes[:: len(changes) // EACH]
