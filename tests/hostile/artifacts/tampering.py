"""Tampered artifacts of each format, and the process that tries them.

``python -m tests.hostile.artifacts.tampering`` tries all changes of all artifacts, some thousands,
with all probes; the tests try a part of them. ``--part 2/8`` tries the second of eight parts, each
of changes of all artifacts. A file must be refused or served, within 20 seconds, and must not take
more than 256 MiB.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import skops.io

from flask_skmodels.estimators import introspect
from tests.hostile.artifacts import trier
from tests.hostile.artifacts.mutations import of_joblib, of_mlflow, of_onnx, of_pickle, of_skops
from tests.hostile.artifacts.sound import BOOSTERS, SOUND, X, sound

GROWTH = 256 * 1024  # kilobytes
GRAPHS = ("forest", "boosting", "neighbors, brute force", "support vectors")
UNCHANGED = "unchanged"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


Make = Callable[[], bytes | None]


@dataclass(frozen=True, slots=True)
class Tampered:
    """An artifact with one change.

    :param label: the change, :data:`UNCHANGED` for none
    :param files: functions that return the contents of its files, by their names below the folder
        of all artifacts; None if the change leaves the file as it is
    :param case: what the process that tries it has to know
    """

    label: str
    files: dict[str, Make]
    case: dict[str, Any]


class Trier:
    """The process that tries artifacts.

    :param root: the folder to write them to
    :param options: options of :mod:`tests.hostile.artifacts.trier`
    """

    def __init__(self, root: Path, options: Iterable[str]) -> None:
        self._root = root
        self._process = subprocess.Popen(
            [sys.executable, "-m", trier.__name__, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        )

    def __call__(self, tampered: Tampered) -> dict[str, Any] | None:
        """Return the result for one artifact, None if the change leaves it as it is."""
        for name, make in tampered.files.items():
            data = make()
            if data is None:
                return None
            path = self._root / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = json.dumps({"root": str(self._root), **tampered.case})
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()
        outcome: dict[str, Any] = json.loads(self._process.stdout.readline())
        return outcome

    def close(self) -> None:
        self._process.communicate()


@contextmanager
def trying(root: Path, *options: str) -> Iterator[Trier]:
    """Start a process that tries artifacts, and end it after the ``with`` block."""
    tries = Trier(root, options)
    try:
        yield tries
    finally:
        tries.close()


def fault_of(tampered: Tampered, outcome: dict[str, Any]) -> str | None:
    """Return what is wrong with the result of an artifact, None if nothing is."""
    result = outcome["result"]
    if tampered.label == UNCHANGED and result != "served: [200]":
        return "a sound artifact is not served"
    if outcome["exit"] != 0:
        return "it has killed the process"
    if not result.startswith(("refused: ", "served: ")):
        return "it was neither refused nor served"
    return "it has taken too much memory" if outcome["kilobytes"] > GROWTH else None


def _case(name: str, path: str, **more: Any) -> tuple[Any, dict[str, Any]]:
    estimator, row = sound(name)
    methods = introspect.methods(estimator)[:1]
    return estimator, {"path": path, "row": row, "methods": methods, **more}


def _skops(name: str) -> Iterator[Tampered]:
    estimator, case = _case(name, "a.skops")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of attributes that will go
        data = skops.io.dumps(estimator)
    case["trusted"] = skops.io.get_untrusted_types(data=data)
    for label, changed in chain([(UNCHANGED, lambda: data)], of_skops(data)):
        yield Tampered(label, {"a.skops": changed}, case)


def _pickle(name: str) -> Iterator[Tampered]:
    estimator, case = _case(name, "a.pickle")
    unchanged: tuple[str, Make] = UNCHANGED, partial(pickle.dumps, estimator)
    for label, changed in chain([unchanged], of_pickle(estimator)):
        yield Tampered(label, {"a.pickle": changed}, case)


def _joblib(name: str) -> Iterator[Tampered]:
    """Yield the changes of a file of joblib; every second one is mapped into memory."""
    estimator, case = _case(name, "a.joblib")
    buffer = BytesIO()
    joblib.dump(estimator, buffer)
    changes = chain([(UNCHANGED, buffer.getvalue)], of_joblib(estimator))
    for index, (label, changed) in enumerate(changes):
        mode = "r" if index % 2 else None
        yield Tampered(label, {"a.joblib": changed}, case | {"mmap_mode": mode})


def _onnx(name: str) -> Iterator[Tampered]:
    import skl2onnx

    estimator, case = _case(name, "a.onnx")
    case["methods"] = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.to_onnx(
            estimator, X[:1].astype(np.float32), target_opset={"": 18, "ai.onnx.ml": 3}
        )
    data = graph.SerializeToString()
    for label, changed in chain([(UNCHANGED, lambda: data)], of_onnx(data)):
        yield Tampered(label, {"a.onnx": changed}, case)


def _mlflow(name: str) -> Iterator[Tampered]:
    estimator, case = _case(name, "mlflow")
    document = {
        "flavors": {"sklearn": {"pickled_model": "model.skops"}},
        "signature": {"inputs": json.dumps([{"type": "double"}] * 4)},
        "saved_input_example_info": {"artifact_path": "example.json"},
    }
    model = skops.io.dumps(estimator)
    files: dict[str, Make] = {
        "mlflow/MLmodel": json.dumps(document).encode,
        "mlflow/example.json": json.dumps([case["row"]]).encode,
        "mlflow/model.skops": lambda: model,
    }
    yield Tampered(UNCHANGED, files, case)
    for label, changed, text in of_mlflow(document):
        yield Tampered(label, files | {f"mlflow/{changed}": text.encode}, case)


@dataclass(frozen=True, slots=True)
class Format:
    """A format of artifacts.

    :param changes: returns the changes of one artifact by its name, the unchanged one first
    :param names: the names of the artifacts
    :param quick: those of the plain run
    """

    changes: Callable[[str], Iterator[Tampered]]
    names: tuple[str, ...] = field(default=tuple(SOUND))
    quick: tuple[str, ...] = ("tree", "support vectors")

    def tampered(self, names: Iterable[str], count: int | None = None) -> Iterator[Tampered]:
        """Yield artifacts and their changes.

        :param count: the number of changes of each, from all its parts; None for all
        """
        for name in names:
            if name not in BOOSTERS or find_spec(name.lower()) is not None:
                unchanged, *changes = self.changes(name)
                chosen = len(changes) if count is None else min(count, len(changes))
                indices = np.linspace(0, len(changes) - 1, chosen).astype(int)
                yield from (unchanged, *(changes[index] for index in indices))


FORMATS = {
    "skops": Format(_skops),
    "pickle": Format(_pickle),
    "joblib": Format(_joblib),
    "onnx": Format(_onnx, GRAPHS, GRAPHS[:1]),
    "mlflow": Format(_mlflow, ("support vectors, linear",), ("support vectors, linear",)),
}
_LIBRARIES = ("skops.io", "sklearn.ensemble", "sklearn.neighbors")
LIBRARIES = dict.fromkeys(FORMATS, _LIBRARIES) | {"onnx": ("onnx.checker", "onnxruntime")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", action="append", choices=FORMATS)
    parser.add_argument("--count", type=int, help="changes of each artifact; by default all")
    parser.add_argument("--part", default="1/1", help="which of how many parts to try, as in 2/8")
    options = parser.parse_args()
    part, parts = map(int, options.part.split("/"))
    rows = () if options.count else ("--all-rows",)
    faults = 0
    for name in options.format or FORMATS:
        modules = LIBRARIES[name]
        with tempfile.TemporaryDirectory() as root, trying(Path(root), *rows, *modules) as t:
            results: Counter[str] = Counter()
            artifacts = FORMATS[name].tampered(FORMATS[name].names, options.count)
            for tampered in islice(artifacts, part - 1, None, parts):
                outcome = t(tampered)
                if outcome is None:
                    continue
                fault = fault_of(tampered, outcome)
                results[outcome["result"].partition(":")[0]] += 1
                if fault is not None:
                    faults += 1
                    sys.stdout.write(f"{name}: {tampered.label}: {fault}: {outcome}\n")
        sys.stdout.write(f"{name}: {results.total():,} artifacts: {dict(results)}\n")
        sys.stdout.flush()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
