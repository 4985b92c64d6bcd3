"""Write ``docs/parity.rst``, the list of the estimators that the tests cover."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import sklearn

from tests.parity.estimators import CLASSES, NOT_SERVED, VARIANTS, Case, case
from tests.parity.foreign.table import TABLES
from tests.parity.formats import FORMATS, table
from tests.parity.pipelines import MAKERS
from tests.parity.served import ONE, served

PAGE = Path(__file__).parent.parent.parent / "docs/parity.rst"
VERSION = f"scikit-learn {sklearn.__version__}"

INTRODUCTION = """\
Parity
======

.. This page is written by docs/make_parity.py.

.. index:: parity, accuracy, supported estimators, XGBoost, LightGBM, CatBoost

This page lists the estimators that the library serves, and how the tests make sure that a response
has exactly the numbers that the estimator returns. In code, this holds for every estimator below:

.. code-block:: python

   response = client.post("/model/predict", json=rows)
   assert response.get_json()["predictions"] == pipeline.predict(rows).tolist()

How it is tested
----------------

The tests in ``tests/parity`` fit each estimator on real data, register it without a schema, and
send rows of that data to each of its methods in each format: one row, three rows, and eighteen.
Each estimator is fitted on an array; on a data frame with column names, with text labels, and with
missing values if it accepts them; and on several outputs if it supports them. Rows with names are
sent with their columns in an order that differs from that in ``fit``. The protocols of other
servers are tested as formats: *Inference* is the Open Inference Protocol, in JSON and in binary;
*KServe* and *MLflow* serve only the first method of a model.

Each response is compared with the result of calling the estimator directly with the same rows, in
the container that it was fitted on. The number of rows in a call, and their layout in memory,
change the last bit of the results of some scikit-learn methods; nothing else may change them. The
layout follows one rule:

- With a :doc:`profile <profile>` of a data frame, X is stored as pandas stores
  ``pandas.DataFrame(records)``: column by column.
- Otherwise columns of numbers of one dtype are one C-ordered block, as in ``numpy.array(rows)``.

Numbers in JSON, NDJSON and Arrow are equal to the last bit; those that are not finite are ``null``
in JSON. In text and CSV, numbers have as many digits as Python prints, from which every bit follows
too. A request causes no warning that the direct call does not cause.
"""
LIMITS = """\
Limits
------

- ``LocalOutlierFactor``, fitted on a data frame, always warns that names are missing, because it
  removes them itself.
- ``SparsePCA`` and ``MiniBatchSparsePCA`` return a one-dimensional array for a single row; the
  response contains it as a row.
- LightGBM replaces spaces in column names with underscores, so the fields have underscores.
- LightGBM and XGBoost, fitted on columns of the pandas type *category*, need a profile in three
  cases: ordered categories in LightGBM, categories that are not ASCII in XGBoost, and any
  categories in XGBoost before 3.1.
- A column that a transformer passes through unchanged is a number unless the schema says otherwise,
  because the estimator does not store its type.
"""
OTHER_LIBRARIES = """\
Pipelines of other libraries
----------------------------

A second table has pipelines with steps of other libraries, and those of scikit-learn's user guide.
Each is served twice: once with the profile of its training data, and once without a profile, with a
schema if the types of the columns cannot be read from the pipeline. ``pytest --full`` compares
JSON, CSV, Arrow and calls from Python; ``pytest --full -m differential tests/parity`` compares
every format above, and single rows too. The last column says why a pipeline is served only with a
profile.
"""


def render() -> str:
    """Return the page for the installed scikit-learn."""
    parts = [
        INTRODUCTION,
        *_served(),
        *_not_served(),
        *_pipelines(),
        *_of_other_libraries(),
        LIMITS,
    ]
    return "\n".join(parts)


def version_of(page: str) -> str:
    """Return the version of scikit-learn that a page was written for."""
    return page.partition("Estimators of ")[2].partition("\n")[0]


def formats_of(found: Case) -> str:
    """Return the formats that can represent the rows of a case."""
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
    yield from ("The same is tested for these pipelines, named after their test cases:", "")
    yield from (f"- {name}" for name in MAKERS)
    yield ""


def _of_other_libraries() -> Iterator[str]:
    yield OTHER_LIBRARIES
    yield from _table("Library", "Pipeline", "Needs a profile")
    for library, entries in TABLES.items():
        for name, entry in entries.items():
            yield from _row(library, name, entry.needs_profile or "no")
    yield ""


def _table(*titles: str) -> Iterator[str]:
    yield from (".. list-table::", "   :header-rows: 1", "")
    yield from _row(*titles)


def _row(*cells: str) -> Iterator[str]:
    for place, cell in enumerate(cells):
        yield f"   {'- ' if place else '* - '}{cell}".replace("   - ", "     - ", 1)
