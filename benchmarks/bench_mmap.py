"""A file with an array of 200 MB, loaded with ``mmap_mode="r"`` and without it.

``pytest benchmarks/bench_mmap.py -s`` prints, for each way, the seconds of one load and the memory
that is left in the process for itself alone afterwards. Each load is in a process of its own, the
file is in the page cache, and the ways take turns; it needs Linux, whose ``/proc`` counts memory.
"""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from statistics import median

import joblib
import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor

ROUNDS = 5
ROWS, COLUMNS = 500_000, 50  # of eight bytes each: 200 MB
LOAD = """
import sys
from pathlib import Path
from time import perf_counter
from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import load

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1000

root, digest, mode = sys.argv[1:]
artifact = Artifact("neighbors.joblib", sha256=digest, mmap_mode=mode or None)
before, started = private(), perf_counter()
loaded = load(artifact, Policy(root=Path(root)))
print(perf_counter() - started, private() - before)
"""


def measured(root: Path, digest: str, mode: str) -> tuple[float, float]:
    """Return the seconds of a load and the megabytes of memory that it leaves in the process."""
    command = [sys.executable, "-c", LOAD, str(root), digest, mode]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, megabytes = map(float, done.stdout.split())
    return seconds, megabytes


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
def test_mapped_and_read(tmp_path: Path) -> None:
    X = np.random.default_rng(0).random((ROWS, COLUMNS))
    path = tmp_path / "neighbors.joblib"
    joblib.dump(KNeighborsRegressor(algorithm="brute").fit(X, X[:, 0]), path)
    digest = sha256(path.read_bytes()).hexdigest()
    rounds = [[measured(tmp_path, digest, mode) for mode in ("r", "")] for _ in range(ROUNDS)]
    for name, figures in zip(("mapped", "read"), zip(*rounds, strict=True), strict=True):
        seconds, megabytes = (median(values) for values in zip(*figures, strict=True))
        print(f"\n{name}: {seconds:.2f} s, {megabytes:.0f} MB of memory of its own")
    assert rounds[0][0][1] < rounds[0][1][1]
