"""The project: its README, its metadata, and the size of its modules and functions."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
import textwrap
import tomllib
from configparser import ConfigParser
from pathlib import Path

import pytest
from flask.testing import FlaskClient

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "flask_skmodels"
README = (ROOT / "README.rst").read_text(encoding="utf-8")

# Modules below which Flask's request is not known.
KNOW_THE_REQUEST = {"web", "dialects", "pages", "cli", "extension"}
REQUEST_NAMES = {"request", "current_app"}

MAX_LINES_OF_MODULE = 600
MAX_LINES_OF_FUNCTION = 60
REQUIRED = {"flask", "scikit-learn", "joblib", "cerberus", "blinker", "numpy", "orjson"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """Return the dotted name of a module inside the package, empty for the package itself."""
    return (
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip(".")
    )


def blocks(language: str) -> list[str]:
    """Return the code blocks of the README in one language."""
    pattern = rf"^\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)"
    found = re.findall(pattern, README, re.MULTILINE)
    return [textwrap.dedent(block).rstrip("\n") + "\n" for block in found]


def setup() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines_of(section: str, key: str) -> list[str]:
    return setup()[section][key].split("\n")[1:]


# README


def test_readme_shows_the_iris_example_word_for_word() -> None:
    assert blocks("python") == [(ROOT / "examples/iris/app.py").read_text(encoding="utf-8")]


def test_readme_has_two_commands_of_one_line_each() -> None:
    serve, test = blocks("sh")
    assert serve.count("\n") == test.count("\n") == 1
    assert serve.endswith("/flask --app examples/iris/app.py run\n")
    assert test.endswith("/pytest\n")


def test_ci_runs_the_commands_of_the_readme() -> None:
    script = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    for command in blocks("sh"):
        assert command.strip() in [line.strip() for line in script]


def test_readme_links_to_files_that_exist() -> None:
    links = re.findall(r"<([^>]+)>`_", README)
    assert links
    assert [link for link in links if not (ROOT / link).is_file()] == []


@pytest.fixture(scope="module")
def iris() -> FlaskClient:
    create_app = runpy.run_path(str(ROOT / "examples/iris/app.py"))["create_app"]
    client = create_app().test_client()
    assert isinstance(client, FlaskClient)
    return client


def conversations() -> list[tuple[str, str]]:
    """Return each curl command of the README with the answer that follows it."""
    found = []
    for block in blocks("console"):
        command, _, rest = block.removeprefix("$ curl ").partition("/\n")
        found.append((f"{command}/", rest.strip()))
    return found


def send(client: FlaskClient, command: str) -> str:
    """Send what a curl command sends and return the answer's body."""
    *options, url = shlex.split(command.replace("\\\n", " "))
    given = list(zip(options[::2], options[1::2], strict=True))
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    body = "&".join(value for option, value in given if option == "-d")
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    path = url.removeprefix("localhost:5000")
    return client.post(path, data=body, headers=headers).text


def readable(body: str) -> object:
    """Return an answer as what it says: a JSON document, numbers or lines."""
    if body.startswith("{"):
        return json.loads(body)
    if re.fullmatch(r"[-+.,e0-9]+", body):
        return [float(number) for number in body.split(",")]
    return body.split("\n")


@pytest.mark.parametrize(("command", "response"), conversations())
def test_readme_shows_the_answers_that_curl_gets(
    iris: FlaskClient, command: str, response: str
) -> None:
    shown, got = readable(response), readable(send(iris, command).strip())
    if isinstance(shown, list) and isinstance(shown[0], float):
        shown = pytest.approx(shown, rel=1e-6)  # the fit's last bits are the machine's own
    assert got == shown


# Metadata


def test_required_dependencies_are_few() -> None:
    names = {line.partition(">=")[0] for line in lines_of("options", "install_requires")}
    assert names == REQUIRED


def test_all_is_what_a_serving_process_can_use() -> None:
    extras = set(setup()["options.extras_require"])
    [line] = lines_of("options.extras_require", "all")
    listed = set(line.removeprefix("Flask-SKModels[").removesuffix("]").split(","))
    assert extras - listed == {"all", "dask", "ray", "test", "test-foreign", "lint", "docs"}
    assert listed < extras


def test_dependencies_have_lower_bounds_only() -> None:
    requirements = lines_of("options", "install_requires")
    for extra in setup()["options.extras_require"]:
        requirements += lines_of("options.extras_require", extra)
    requirements = [line for line in requirements if not line.startswith("Flask-SKModels[")]
    bounded = re.compile(r"[a-z0-9-]+>=[0-9]+(\.[0-9]+)*(b[0-9]+)?")
    assert [line for line in requirements if not bounded.fullmatch(line)] == []
    assert setup()["options"]["python_requires"] == ">=3.11"


def test_pyproject_holds_the_build_system_and_the_linter_alone() -> None:
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(document) == {"build-system", "tool"}
    assert set(document["tool"]) == {"ruff"}


def test_changes_tell_of_the_version() -> None:
    changes = (ROOT / "CHANGES.rst").read_text(encoding="utf-8")
    assert f"\nVersion {setup()['metadata']['version']}\n" in changes


# Size


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_module_is_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES_OF_MODULE


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_functions_are_short(path: Path) -> None:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {f.name: length_of(f) for f in functions if length_of(f) > MAX_LINES_OF_FUNCTION}
    assert long == {}


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


# Who knows the request


def uses_of_request(tree: ast.AST) -> list[str]:
    """Return each use of Flask's request in a module, imported or read as an attribute."""
    imported = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "flask"
        for alias in node.names
    ]
    read = [
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "flask"
    ]
    return [name for name in imported + read if name in REQUEST_NAMES]


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_request_is_known_to_web_and_above_alone(path: Path) -> None:
    uses = uses_of_request(ast.parse(path.read_text(encoding="utf-8")))
    assert not uses or name_of(path).partition(".")[0] in KNOW_THE_REQUEST


@pytest.mark.parametrize(
    "source",
    ["from flask import request", "from flask.globals import current_app", "flask.request.form"],
)
def test_guard_sees_every_use_of_the_request(source: str) -> None:
    assert uses_of_request(ast.parse(source))


def test_minimum_versions_are_the_lower_bounds() -> None:
    """``tox -e minimum`` installs the oldest versions that setup.cfg promises to work.

    Another package may have a version too, with a comment that says why.
    """
    [line] = lines_of("options.extras_require", "all")
    extras = line.partition("[")[2].rstrip("]").split(",")
    sections = [lines_of("options", "install_requires")]
    sections += [lines_of("options.extras_require", extra) for extra in extras]
    bounds = {line.replace(">=", "==") for lines in sections for line in lines}
    listed = (ROOT / "tests/minimum.txt").read_text(encoding="utf-8").splitlines()
    pins = {line for line in listed if line and not line.startswith("#")}
    others = pins - bounds
    assert bounds <= pins
    assert all(re.fullmatch(r"[\w-]+==[\d.]+  # \S.+", line) for line in others)
    assert not {name_of_pin(line) for line in others} & {name_of_pin(line) for line in bounds}


def name_of_pin(line: str) -> str:
    return line.partition("==")[0].lower().replace("_", "-")


# Security


def rows_of_security() -> list[tuple[str, str, str]]:
    """Return the subject, the trust and the tests of each line of the table in SECURITY.rst."""
    text = (ROOT / "SECURITY.rst").read_text(encoding="utf-8")
    rows = re.findall(
        r"^   \* - (.+)\n     - (.+)\n     - (?:.+\n(?: {7}.+\n)*)     -(.*\n(?: {7}.+\n)*)",
        text,
        re.MULTILINE,
    )
    assert len(rows) == text.count("   * - ")
    return rows[1:]


def test_table_of_security_names_tests_that_exist() -> None:
    """Each line that concerns anybody who is not trusted has one."""
    for subject, trust, tests in rows_of_security():
        paths = re.findall(r"``(tests/[^`]+)``", tests)
        assert trust in {"yes", "no", "partly"}, subject
        assert paths or trust == "yes", subject
        assert all((ROOT / path).exists() for path in paths), subject


@pytest.mark.parametrize("environment", ["audit", "fuzz", "long", "minimum"])
def test_ci_runs_each_environment_of_tox(environment: str) -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    assert f"{{env: {environment}, " in workflow
    assert parser[f"testenv:{environment}"]["commands"]


def test_dependencies_and_their_lower_bounds_are_audited() -> None:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    commands = parser["testenv:audit"]["commands"]
    assert commands.count("pip-audit") == 2
    assert "--requirement tests/minimum.txt" in commands
