"""The architecture page against the source tree."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.documentation import page

PACKAGE = Path(__file__).parent.parent.parent / "flask_skmodels"


def test_table_lists_every_package_and_module() -> None:
    table = page("architecture").partition("Packages\n--------")[2].partition("Four paths")[0]
    listed = re.findall(r"^   \* - ``(\w+)``$", table, re.MULTILINE)
    entries = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path / "__init__.py").exists() or path.suffix == ".py"
    }
    assert sorted(listed) == sorted(entries - {"__init__"})


def test_table_has_the_order_that_the_linter_checks() -> None:
    config = (PACKAGE.parent / "setup.cfg").read_text(encoding="utf-8")
    layers = re.search(r"^layers =\n((?:    .+\n)+)", config, re.MULTILINE)
    assert layers is not None
    order = re.findall(r"\w+", layers[1])
    listed = re.findall(r"^   \* - ``(\w+)``$", page("architecture"), re.MULTILINE)
    assert listed == list(reversed(order))
