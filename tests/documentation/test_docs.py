"""The documentation against the code: complete tables, and the answers that it shows."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shlex
from contextlib import chdir
from dataclasses import fields
from pathlib import Path

import joblib
import pytest
from blinker import NamedSignal
from flask.testing import FlaskClient
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import flask_skmodels
from examples.iris.app import create_app
from flask_skmodels import Prediction
from flask_skmodels.config import KEYS, MAX_CONTENT_LENGTH
from flask_skmodels.estimators.introspect import METHODS
from tests.support.command_line import flask_process
from tests.support.documentation import ROOT, blocks, check_response, conversations, page, sent

SIGNALS = [
    name for name in flask_skmodels.__all__ if isinstance(vars(flask_skmodels)[name], NamedSignal)
]


# Configuration


def test_configuration_table_has_every_key_and_its_default() -> None:
    rows = re.findall(
        r"^   \* - ``SKMODELS_(\w+)``\n     - ``(.+)``$", page("configuration"), re.MULTILINE
    )
    assert len(rows) == len(KEYS)
    documented = {key: ast.literal_eval(default) for key, default in rows}
    assert documented == {name: key.default for name, key in KEYS.items()}


def test_configuration_is_one_table() -> None:
    assert page("configuration").count(".. list-table::") == 1


def test_configuration_tells_the_length_that_a_request_may_have() -> None:
    assert f"({MAX_CONTENT_LENGTH:,} bytes)" in page("configuration")
    assert f"take {MAX_CONTENT_LENGTH >> 20} MiB" in " ".join(page("configuration").split())


# API


def test_api_has_every_public_name_once() -> None:
    documented = re.findall(r"^\.\. auto\w+:: (\w+)$", page("api"), re.MULTILINE)
    assert sorted(documented) == sorted(flask_skmodels.__all__)


@pytest.mark.parametrize("name", flask_skmodels.__all__)
def test_public_name_is_documented_where_it_is_defined(name: str) -> None:
    assert (getattr(flask_skmodels, name).__doc__ or "").strip()


# Signals


def test_there_are_signals() -> None:
    assert SIGNALS


@pytest.mark.parametrize("name", SIGNALS)
def test_signal_is_documented_with_its_arguments(name: str) -> None:
    [row] = re.findall(rf"^   \* - ``{name}``\n((?:     .*\n)+)", page("signals"), re.MULTILINE)
    [arguments] = re.findall(r"``(app, [^`]+)``", row)
    doc = vars(flask_skmodels)[name].__doc__
    assert arguments.split(", ") == ["app", *re.findall(r":param (\w+):", doc)]
    for argument in arguments.split(", "):
        assert re.search(rf"^``{argument}``$", page("signals"), re.MULTILINE)


def test_record_is_documented_with_every_attribute() -> None:
    _, _, table = page("signals").partition("attribute       what it contains\n")
    names = re.findall(r"^``(\w+)``  ", table.partition("\n\n")[0], re.MULTILINE)
    assert sorted(names) == sorted(["inputs", *(field.name for field in fields(Prediction))])


# Extras

INSTALL = "pip install 'Flask-SKModels["


def test_one_place_says_how_to_install_extras() -> None:
    """The library may come from a checkout, an archive or the package index."""
    pages = [*ROOT.glob("docs/**/*.rst"), ROOT / "README.rst", *ROOT.glob("examples/**/*.py")]
    naming = [path.stem for path in pages if INSTALL in path.read_text(encoding="utf-8")]
    assert naming == ["quickstart"]


# Quickstart


@pytest.fixture(scope="module")
def client() -> FlaskClient:
    return create_app().test_client()


def test_quickstart_begins_with_the_iris_example() -> None:
    code = blocks(page("quickstart"), "testcode::")[0]
    assert code == (ROOT / "examples/iris/app.py").read_text(encoding="utf-8")


def test_quickstart_has_conversations() -> None:
    assert len(conversations(page("quickstart"))) >= 6


@pytest.mark.parametrize(("command", "response"), conversations(page("quickstart")))
def test_quickstart_shows_the_answer_that_curl_gets(
    client: FlaskClient, command: str, response: str
) -> None:
    check_response(response, sent(client, command))
    if response.startswith("{"):
        json.loads(response)


@pytest.mark.parametrize("method", METHODS)
def test_quickstart_names_every_method(method: str) -> None:
    assert f"``{method}``" in page("quickstart")


@pytest.mark.full
def test_quickstart_takes_a_file_and_its_training_data_to_a_page(tmp_path: Path) -> None:
    """The commands run in an empty directory, and print what the page shows."""
    table = load_iris(as_frame=True)
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    X = table.data.set_axis(names, axis=1)
    joblib.dump(LogisticRegression(max_iter=1000).fit(X, table.target), tmp_path / "iris.joblib")
    X.assign(species=table.target).to_csv(tmp_path / "train.csv", index=False)
    section = page("quickstart").split("Serve your own model\n")[1]
    block = blocks(section, "code-block:: console")[0]
    install, *commands, run = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    assert install.startswith("pip install ")
    assert run == "flask --app iris.py run\n"
    for shown in commands:
        command, _, expected = shown.partition("\n")
        done = flask_process(*shlex.split(command)[1:], folder=tmp_path)
        assert (done.returncode, done.stdout) == (0, expected), done.stderr
    with chdir(tmp_path):
        client = runpy.run_path("iris.py", run_name="iris")["create_app"]().test_client()
    form = client.get("/iris/", headers={"Accept": "text/html"}).text
    assert re.search(r'name="petal_width" value="[0-9.]+"', form)
    row = dict(zip(names, (5.1, 3.5, 1.4, 0.2), strict=True))
    assert client.post("/iris/predict/", data=row).text == "0"
    assert client.post("/iris/predict/", data=row | {"petal_width": "wide"}).status_code == 400
