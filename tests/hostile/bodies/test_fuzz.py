"""A short run of the fuzzer, and the bodies that once failed in it."""

from __future__ import annotations

import pytest

from tests.hostile.bodies.fuzz import CORPUS, Application, fuzz
from tests.support.selection import examples


@pytest.fixture(scope="module")
def application() -> Application:
    return Application()


def test_mutated_bodies_get_documented_responses(application: Application) -> None:
    count = examples(20_000)
    statuses = fuzz(application, count, float("inf"), seed=16)
    assert sum(statuses.values()) == count
    assert statuses[200] > 0


@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.glob("*.bin")))
def test_body_that_failed_once(application: Application, name: str) -> None:
    body = CORPUS.joinpath(name).read_bytes()
    wanted = name.partition("-")[0].replace("_", " ")
    for target in application.targets:
        if target.name == wanted:
            for is_packed in (False, True):
                application.send(target, body, is_packed=is_packed)
