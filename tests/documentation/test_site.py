"""The site of the documentation: its first page, its groups, and the words of its index."""

from __future__ import annotations

import re
from functools import partial

import pytest

from benchmarks.figures import figures
from benchmarks.in_process import LIBRARY, PIPELINE, SECTION
from benchmarks.results import Results, read, spread
from tests.support.documentation import ROOT, page

INDEX = " ".join(page("index").split())


@pytest.fixture(scope="module")
def results() -> Results:
    return read(ROOT / "docs/benchmarks/results.json")


@pytest.mark.parametrize(
    ("workload", "sentence"),
    [
        ("w2", "takes {ours:.0f} µs instead of the {theirs:,.0f} µs of ``pipeline.predict``"),
        ("w1", "a logistic regression, {ours:.0f} µs instead of {theirs:,.0f} µs"),
    ],
)
def test_first_page_has_the_times_of_the_benchmarks(
    results: Results, workload: str, sentence: str
) -> None:
    times = partial(results.one, SECTION)
    ours, theirs = times(f"{workload}, {LIBRARY}"), times(f"{workload}, {PIPELINE}")
    assert ours is not None
    assert theirs is not None
    assert sentence.format(ours=spread(ours).median, theirs=spread(theirs).median) in INDEX


def test_first_page_has_the_rates_of_the_benchmarks(results: Results) -> None:
    names = "requests/s relative to the best other server, 64 connections"
    measured = [f.measure(results) for f in figures() if f.name.endswith(names)]
    ratios = [found.median for found in measured if found is not None]
    assert f"serves {min(ratios):.1f} to {max(ratios):.1f} times as many requests" in INDEX


def test_first_page_has_the_number_of_estimators() -> None:
    table = page("parity").partition("\nEstimators of ")[2].partition("\nNot served\n")[0]
    served = re.findall(r"^   \* - ``\w+``$", table, re.MULTILINE)
    assert f"for {len(served)} scikit-learn estimators" in INDEX


def test_first_page_has_four_doors() -> None:
    doors = re.findall(r"^   \.\. grid-item-card:: (\w+)$", page("index"), re.MULTILINE)
    assert doors == ["Start", "Guides", "Operate", "Reference"]


def test_every_page_is_in_a_group() -> None:
    trees = re.findall(
        r"^\.\. toctree::\n((?:   .*\n|\n)+)", page("index") + page("coming-from"), re.MULTILINE
    )
    listed = re.findall(r"^   ([a-z/-]+)$", "".join(trees), re.MULTILINE)
    pages = [p.relative_to(ROOT / "docs").with_suffix("") for p in (ROOT / "docs").rglob("*.rst")]
    assert sorted(listed) == sorted(str(name) for name in pages if str(name) != "index")


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("upload", "cookbook"),
        ("upload", "formats"),
        ("Docker", "docker"),
        ("Kubernetes", "docker"),
        ("Excel", "cookbook"),
        ("date", "schemas"),
        ("async", "cookbook"),
        ("troubleshooting", "troubleshooting"),
        ("login", "cookbook"),
        ("CSRF", "pages"),
        ("Prometheus", "metrics"),
        ("gunicorn", "deployment"),
        ("performance", "engines"),
        ("upgrade", "upgrading"),
    ],
)
def test_word_leads_to_the_page(word: str, name: str) -> None:
    entries = " ".join(re.findall(r"^\.\. index:: (.*)$", page(name), re.MULTILINE))
    assert re.search(rf"\b{word}\b", entries)
