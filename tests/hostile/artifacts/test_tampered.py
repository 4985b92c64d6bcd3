"""Tampered artifacts are refused or served; none crashes, hangs or fills the memory.

Each artifact has one array or number changed, and is loaded and called in another process, without
a trial: the checks alone must hold.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.artifacts.tampering import FORMATS, LIBRARIES, Trier, fault_of, trying
from tests.support.skips import LINUX

pytestmark = LINUX

MIN_ARTIFACTS = 200  # artifacts of each format
EACH = {"skops": 7, "pickle": 7, "joblib": 7, "onnx": 55, "mlflow": 205}  # changes of an artifact
QUICK = {"skops": 6, "joblib": 4, "mlflow": 8}


def try_some(name: str, tries: Trier, *, is_full: bool) -> int:
    """Try artifacts of one format and their changes; return their number."""
    made, count = FORMATS[name], 0
    names, each = (made.names, EACH[name]) if is_full else (made.quick, QUICK[name])
    for tampered in made.tampered(names, each):
        outcome = tries(tampered)
        if outcome is None:
            continue
        assert fault_of(tampered, outcome) is None, (name, tampered.label, outcome)
        count += 1
    return count


def test_some_tampered_artifacts(tmp_path: Path) -> None:
    with trying(tmp_path, "skops.io") as tries:
        for name in QUICK:
            assert try_some(name, tries, is_full=False) > 5


@pytest.mark.full
@pytest.mark.parametrize("name", FORMATS)
def test_tampered_artifacts(name: str, tmp_path: Path) -> None:
    with trying(tmp_path, *LIBRARIES[name]) as tries:
        assert try_some(name, tries, is_full=True) >= MIN_ARTIFACTS
