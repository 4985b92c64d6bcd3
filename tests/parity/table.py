"""The page of the documentation that says what the harness covers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sklearn

from tests.parity.estimators import CLASSES, NOT_SERVED, VARIANTS, Case, case
from tests.parity.formats import FORMATS, table
from tests.parity.pipelines import MAKERS
from tests.parity.served import ONE, served

PAGE = Path(__file__).parent.parent.parent / "docs/parity.rst"
VERSION = f"scikit-learn {sklearn.__version__}"

INTRODUCTION = """\
Parity
======

.. This page is written by docs/make_parity.py.

What comes out over HTTP is what the estimator's method returns for the same rows. The tests in
``tests/parity`` hold the library to it: they fit each estimator on real data, register it without a
schema, and send rows of that data to each of its methods in each format: one row, three, and
eighteen. Estimators are fitted on an array; on a data frame with names, with texts for labels, and
with missing values where they take them; and on several outputs where they have them. Rows with
names are sent with their columns in another order than that of the fit. The protocols of other
servers are formats too: Inference, which is the Open Inference Protocol in JSON and in binary, and
those of KServe and MLflow, which know a model's first method alone.

Each answer is compared with what the estimator returns when it is called itself with those rows, as
one C-ordered block in the container that it was fitted on: the number of rows in a call and their
layout in memory move last bits in some of scikit-learn's methods, and nothing else may. In JSON,
NDJSON and Arrow the two are equal to the last bit, where JSON has ``null`` for what is no finite
number; in text and CSV they are equal to the digits that Python prints, which say every bit as
well. A request warns of nothing that the direct call does not warn of.
"""
LIMITS = """\
Limits
------

- ``LocalOutlierFactor``, fitted on a data frame, warns that names are missing however it is
  called: it takes them off itself.
- ``SparsePCA`` and ``MiniBatchSparsePCA`` give the features of a single row without its row; the
  answer has it.
- LightGBM keeps underscores for the blanks in names, so the fields have underscores.
- LightGBM and XGBoost, fitted on columns that pandas calls categories, cannot be served: encode
  them in a pipeline.
- A column that a transformer only passes on is a number unless the schema says otherwise: nothing
  in the estimator tells what it was.
"""


def render() -> str:
    """Return the page, by the estimators of the scikit-learn at hand."""
    return "\n".join([INTRODUCTION, *_served(), *_not_served(), *_pipelines(), LIMITS])


def version_of(page: str) -> str:
    """Return the version of scikit-learn that a page is of."""
    return page.partition("Estimators of ")[2].partition("\n")[0]


def formats_of(found: Case) -> str:
    """Return the formats that can say rows of a case."""
    rows = table(found.rows(ONE))
    kinds = [name.partition(",")[0].partition(" ")[0] for name in FORMATS]
    bodies = [media.body(rows) for media in FORMATS.values()]
    told = [kind for kind, body in zip(kinds, bodies, strict=True) if body is not None]
    return ", ".join(dict.fromkeys(told))


def _served() -> Iterator[str]:
    title = f"Estimators of {VERSION}"
    yield from (title, "-" * len(title), "")
    yield from _table("Estimator", "Methods", "Fitted on", "Formats")
    for name in (name for name in CLASSES if name not in NOT_SERVED):
        found = {variant: case(name, variant) for variant in VARIANTS}
        cases = {variant: case for variant, case in found.items() if case is not None}
        first = next(iter(cases.values()))
        methods = ", ".join(f"``{method}``" for method in served(first).methods)
        fitted = "texts" if isinstance(first.X, list) else ", ".join(cases)
        yield from _row(f"``{name}``", methods, fitted, formats_of(first))
    yield ""


def _not_served() -> Iterator[str]:
    yield from ("Not served", "----------", "")
    yield from _table("Estimator", "Reason")
    for name, reason in NOT_SERVED.items():
        yield from _row(f"``{name}``", reason)
    yield ""


def _pipelines() -> Iterator[str]:
    yield from ("Pipelines and other libraries", "-----------------------------", "")
    yield from ("Real pipelines are held to the same, in every format:", "")
    yield from (f"- {name}" for name in MAKERS)
    yield ""


def _table(*titles: str) -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "")
    yield from _row(*titles)


def _row(*cells: str) -> Iterator[str]:
    for place, cell in enumerate(cells):
        yield f"   {'- ' if place else '* - '}{cell}".replace("   - ", "     - ", 1)
