"""The architecture page against the source tree."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.support.documentation import page

PACKAGE = Path(__file__).parent.parent.parent / "flask_skmodels"
_PATHS = [path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py")]
PACKAGES = {".".join(path.parent.parts) for path in _PATHS if path.name == "__init__.py"} - {""}
MODULES = {".".join(path.with_suffix("").parts) for path in _PATHS} | PACKAGES
OF_FLASK = {"web.request", "web.current_app"}


def test_table_lists_every_package_and_module() -> None:
    table = page("architecture").partition("Packages\n--------")[2].partition("Four modules")[0]
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


def test_modules_that_the_page_names_exist() -> None:
    table = re.findall(r"^   \* - ``(\w+)``\n((?:     .*\n)+)", page("architecture"), re.MULTILINE)
    in_table = {
        f"{package}.{name.removeprefix(package + '.')}"
        for package, contents in table
        for name in re.findall(r"``([a-z_.]+)``", contents)
        if package in PACKAGES
    }
    in_text = {
        name
        for name in re.findall(r"``(?:flask_skmodels\.)?(\w+\.[a-z_.]+)``", page("architecture"))
        if name.partition(".")[0] in PACKAGES
    }
    assert len(in_table | in_text) > 20
    assert in_table | in_text <= MODULES | OF_FLASK


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_modules_that_the_text_of_a_package_names_exist(package: str) -> None:
    file = PACKAGE.joinpath(*package.split("."), "__init__.py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    assert text
    for name in re.findall(r"``(?!sklearn)([a-z_.]+)``", text):
        module = name.partition(".")[0]
        assert module in MODULES or f"{package}.{module}" in MODULES | OF_FLASK, name
