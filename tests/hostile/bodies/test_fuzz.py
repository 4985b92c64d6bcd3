"""A short run of the fuzzer, and the bodies that once failed in it."""

from __future__ import annotations

import pytest

from tests.hostile.bodies.fuzz import CORPUS, Application, fuzz
from tests.support.selection import examples


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


# Werkzeug does not close the file of a part if the form breaks off after it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_mutated_bodies_get_documented_responses(application: Application) -> None:
    count = examples(2_000)
    statuses = fuzz(application, count, float("inf"), seed=16)
    assert sum(statuses.values()) == count
    assert statuses[200] > 0


def test_bodies_that_failed_once(application: Application) -> None:
    targets = {target.name: target for target in application.targets}
    for path in sorted(CORPUS.glob("*.bin")):
        target = targets[path.name.partition("-")[0].replace("_", " ")]
        for is_packed in (False, True):
            application.send(target, path.read_bytes(), is_packed=is_packed)
