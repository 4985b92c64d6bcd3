"""A short run of the fuzzer of artifacts, and the files that once failed in it."""

from __future__ import annotations

from pathlib import Path

from tests.hostile.artifacts.fuzz_readers import CORPUS, fuzz, read
from tests.support.selection import examples


def test_mutated_files_are_read_or_refused() -> None:
    count = examples(2_000)
    outcomes = fuzz(count, float("inf"), seed=16)
    assert outcomes.total() == count
    assert {outcome.partition(" ")[2] for outcome in outcomes} == {"read", "refused"}


def test_files_that_failed_once(tmp_path: Path) -> None:
    for path in sorted(CORPUS.glob("*.bin")):
        read(path.name.partition("-")[0], tmp_path, path.read_bytes())
