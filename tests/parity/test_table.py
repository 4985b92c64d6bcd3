"""The parity page of the documentation is up to date."""

from __future__ import annotations

import pytest

from tests.parity.estimators import NOT_SERVED, SERVED
from tests.parity.pipelines import MAKERS
from tests.parity.table import PAGE, VERSION, render, version_of


@pytest.mark.full
def test_the_page_is_of_the_estimators_that_are_tested() -> None:
    page = PAGE.read_text(encoding="utf-8")
    if version_of(page) == VERSION:
        assert page == render(), "run docs/make_parity.py"


def test_the_page_names_its_version_and_every_pipeline() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert version_of(page).startswith("scikit-learn 1.")
    assert [name for name in MAKERS if f"\n- {name}\n" not in page] == []


@pytest.mark.full
def test_the_page_has_each_estimator_once() -> None:
    page = render()
    assert [name for name in [*SERVED, *NOT_SERVED] if page.count(f"* - ``{name}``\n") != 1] == []
