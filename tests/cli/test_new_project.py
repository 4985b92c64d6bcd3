"""``flask skmodels new --project``: a project whose tests pass and whose server answers."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import Request, urlopen

import joblib
import pandas as pd
import pytest
import skops.io
from flask import Flask
from flask.cli import ScriptInfo
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from tests.support.command_line import ENVIRONMENT, error, output, run
from tests.support.helpers import FIELDS, SETOSA, X, Y


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: Any) -> Path:
    """A folder with a model file and its training data."""
    monkeypatch.chdir(tmp_path)
    joblib.dump(named, "iris.joblib")
    frame = pd.DataFrame(X, columns=list(FIELDS)).assign(species=Y)
    frame.to_csv("train.csv", index=False)
    return tmp_path


def loaded(folder: Path) -> Flask:
    """Return the application of a project."""
    saved = list(sys.path)
    try:
        return ScriptInfo(app_import_path=str(folder / "app.py")).load_app()
    finally:
        sys.path[:] = saved
        sys.modules.pop("app", None)


def test_project_is_made_of_a_model_file_and_training_data(app: Flask, folder: Path) -> None:
    arguments = ("new", "iris", "iris.joblib", "--project", "shop")
    shown = output(app, *arguments, "--data", "train.csv", "--target", "species")
    assert shown.splitlines()[-1] == "Read shop/README.md for the next steps."
    source = (folder / "shop/app.py").read_text(encoding="utf-8")
    assert '"sepal_length": {"type": "number"},  # 4.3 to 7.9 in training\n' in source
    client = loaded(folder / "shop").test_client()
    assert client.get("/").status_code == 302  # a browser would keep a permanent redirect
    described = client.get("/iris/").get_json()
    assert described["fields"]["sepal_length"]["x-training-range"] == [4.3, 7.9]
    [example] = described["examples"]
    assert client.post("/iris/predict/", json=[example]).status_code == 200
    assert client.post("/iris/predict/", json=[SETOSA]).get_json()["predictions"] == [0]
    assert error(app, *arguments) == "shop already exists"


def test_project_without_training_data_has_a_row_that_is_made_up(app: Flask, folder: Path) -> None:
    written = json.loads(output(app, "new", "iris", "iris.joblib", "--project", "a/b", "--json"))
    assert "a/b/README.md" in written["written"]
    assert not list((folder / "a/b/models").glob("*.json"))
    described = loaded(folder / "a/b").test_client().get("/iris/").get_json()
    assert described["examples"][0].keys() == set(FIELDS)
    assert "The training data are not known" in Path("a/b/README.md").read_text(encoding="utf-8")


def test_project_of_an_estimator_without_names(app: Flask, folder: Path, pipeline: Any) -> None:
    joblib.dump(pipeline, "plain.joblib")
    output(app, "new", "plain", "plain.joblib", "--project", "shop")
    client = loaded(folder / "shop").test_client()
    [example] = client.get("/plain/").get_json()["examples"]
    assert client.post("/plain/predict/", json=[example]).status_code == 200
    assert client.post("/plain/predict/", data={"values": "5.1,3.5,1.4,0.2"}).text.strip() == "0"


def test_profile_beside_the_file_is_used(app: Flask, folder: Path) -> None:
    first = ("new", "iris", "iris.joblib", "--project", "one")
    output(app, *first, "--data", "train.csv", "--target", "species")
    again = ("new", "iris", "one/models/iris.joblib", "--project", "two")
    output(app, *again)
    assert "in training" in Path("two/app.py").read_text(encoding="utf-8")
    assert Path("two/models/iris.profile.json").is_file()


def test_project_of_texts(app: Flask, folder: Path) -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["a cat", "a dog"], [0, 1])
    skops.io.dump(texts, "texts.skops")
    output(app, "new", "texts", "texts.skops", "--project", "shop")
    requirements = Path("shop/requirements.txt").read_text(encoding="utf-8")
    assert "[metrics,skops]" in requirements
    client = loaded(folder / "shop").test_client()
    [example] = client.get("/texts/").get_json()["examples"]
    assert client.post("/texts/predict/", json=[example]).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("iris", "iris.joblib", "--target", "species"), "--target needs --data"),
        (("2nd", "iris.joblib", "--project", "shop"), "begin it with a letter"),
        (
            ("iris", "iris.joblib", "--project", "shop", "--data", "train.csv", "--target", "no"),
            "has no column 'no'",
        ),
    ],
)
def test_mistakes_are_named_and_write_nothing(
    app: Flask, folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run(app, "new", *arguments)
    assert result.exit_code
    assert said in result.output
    assert not (folder / "shop").exists()


# The project as its README describes it


@pytest.fixture
def shop(app: Flask, folder: Path) -> Path:
    arguments = ("new", "iris", "iris.joblib", "--project", "shop")
    output(app, *arguments, "--data", "train.csv", "--target", "species")
    return folder / "shop"


@pytest.mark.full
def test_tests_of_the_project_pass(shop: Path) -> None:
    commands = [["pytest", "-q", "-p", "no:cacheprovider"], ["flask", "--app", "app", "skmodels"]]
    for command in (commands[0], [*commands[1], "check"], [*commands[1], "doctor"]):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=shop,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "iris is" not in done.stderr
    assert "an unknown number of workers with 2 threads each (gunicorn.conf.py)" in done.stdout


@pytest.fixture
def port(shop: Path) -> Iterator[int]:
    """The port of the project's server, started as the README says, but for the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = int(listener.getsockname()[1])
    code = "from gunicorn.app.wsgiapp import run; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "--bind", f"127.0.0.1:{port}"],
        cwd=shop,
        env={**ENVIRONMENT, "WEB_CONCURRENCY": "1", "PYTHONPATH": f"{ENVIRONMENT['PYTHONPATH']}:."},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


@pytest.mark.full
def test_server_of_the_project_answers_the_request_of_the_readme(shop: Path, port: int) -> None:
    readme = (shop / "README.md").read_text(encoding="utf-8")
    command = readme.partition("$ curl ")[2].partition("```")[0]
    url, _, header, _, body = shlex.split(command.replace("\\\n", " "))
    name, _, value = header.partition(": ")
    address = f"http://{url}".replace("localhost:8000", f"127.0.0.1:{port}")
    request = Request(address, body.encode(), {name: value})
    deadline = monotonic() + 60
    while True:
        try:
            with urlopen(request, timeout=30) as response:
                assert json.load(response)["predictions"] == [1]
                return
        except OSError:
            assert monotonic() < deadline, "the server does not start"
            sleep(0.2)


def test_image_has_each_file_that_the_application_needs(shop: Path) -> None:
    image = (shop / "Dockerfile").read_text(encoding="utf-8")
    copied = [
        word for line in image.splitlines() if line.startswith("COPY") for word in line.split()
    ]
    assert {"requirements.txt", "app.py", "gunicorn.conf.py", "models/"} <= set(copied)
    ignored = (shop / ".dockerignore").read_text(encoding="utf-8").split()
    assert not {"app.py", "models", "requirements.txt", "gunicorn.conf.py"} & set(ignored)
