"""The layout of the package: few entries at the top, one name for one thing, imports in order."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.support.gunicorn import ROOT

PACKAGE = ROOT / "flask_skmodels"
PACKAGES = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
MAX_AT_THE_TOP = 24

# Parameters for which schema/types.py has a name; another alias of Any is one as well.
NAMED_TYPES = {"X": "ModelInput", "estimator": "Estimator", "outputs": "ModelOutput"}

# Names of several modules or packages, which treat the same format, protocol or subject.
SHARED_NAMES = {
    "drift": "counted in telemetry, shown by a command",
    "metrics": "measured in telemetry, served by web",
    "mlflow": "a format of model files, and a protocol of clients",
    "neighbors": "estimators of scikit-learn, their arrays and their lean forms",
    "onnx": "a format of model files, and an engine that runs them",
    "openapi": "the document, and the command that writes it",
    "predict": "a prediction from the command line, and over HTTP",
    "profile": "the profile of training data, and the command that makes it",
    "splines": "estimators of scikit-learn, their arrays and their lean forms",
}


def name_of(package: Path) -> str:
    return ".".join(package.relative_to(PACKAGE).parts) or PACKAGE.name


def entries_at_the_top() -> list[str]:
    modules = [path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    return sorted([*modules, *(path.parent.name for path in PACKAGE.glob("*/__init__.py"))])


def entries_by_name() -> dict[str, list[str]]:
    """Return the modules and packages of each name, without modules named after their package."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        entry = path.parent if path.stem == "__init__" else path
        if entry != PACKAGE and entry.stem != entry.parent.name:
            found[entry.stem].append(str(entry.relative_to(PACKAGE)))
    return found


def tree_of(package: Path) -> ast.Module:
    return ast.parse((package / "__init__.py").read_text(encoding="utf-8"))


def is_import_or_list_of_names(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return [ast.unparse(target) for target in node.targets] == ["__all__"]
    return isinstance(node, ast.Import | ast.ImportFrom)


def test_few_entries_are_at_the_top() -> None:
    assert len(entries_at_the_top()) <= MAX_AT_THE_TOP


def test_no_module_or_package_has_the_name_of_another() -> None:
    shared = {name: paths for name, paths in entries_by_name().items() if len(paths) > 1}
    assert {name: paths for name, paths in shared.items() if name not in SHARED_NAMES} == {}


def test_no_module_has_a_leading_underscore() -> None:
    assert [name for name in entries_by_name() if name.startswith("_")] == []


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_package_says_what_it_holds(package: Path) -> None:
    docstring = ast.get_docstring(tree_of(package)) or ""
    assert len([line for line in docstring.splitlines() if line.strip()]) >= 2


@pytest.mark.parametrize("package", PACKAGES, ids=name_of)
def test_package_holds_no_code_but_imports(package: Path) -> None:
    _docstring, *statements = tree_of(package).body
    code = [ast.unparse(node) for node in statements if not is_import_or_list_of_names(node)]
    assert code == []


def test_no_parameter_is_any_whose_type_has_a_name() -> None:
    found = []
    for path in PACKAGE.rglob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        arguments = (node for node in nodes if isinstance(node, ast.arg) and node.annotation)
        found += [
            f"{path.name}:{each.lineno}: {each.arg} is Any, not {NAMED_TYPES[each.arg]}"
            for each in arguments
            if each.arg in NAMED_TYPES and ast.unparse(each.annotation or each) == "Any"
        ]
    assert found == []


def test_packages_import_in_the_order_of_their_dependencies() -> None:
    command = Path(sys.executable).with_name("lint-imports")
    if not command.exists() and shutil.which("lint-imports") is None:
        pytest.skip("import-linter is not installed: pip install -e '.[lint]'")
    done = subprocess.run(
        [command if command.exists() else "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
