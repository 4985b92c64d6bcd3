"""The protocols of other servers, spoken by clients that this project did not write.

``tests/clients/install.py`` installs them in the folder that ``SKMODELS_TEST_CLIENTS`` names.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline

from flask_skmodels import Artifact, Model
from tests.support.gunicorn import HOST, ROOT, Server, gunicorn
from tests.support.helpers import FIELDS, X, Y, serve

SCRIPTS = Path(__file__).parent.parent / "clients"
pytestmark = pytest.mark.full

CLIENTS_ARE_MISSING = (
    "clients of other servers are not installed: python tests/clients/install.py FOLDER, and set "
    "SKMODELS_TEST_CLIENTS=FOLDER"
)
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
TYPES = {"FP16": "f8", "FP32": "f4", "FP64": "f8", "INT64": "i8", "INT32": "i4", "UINT8": "u1"}

APP = f"FIELDS = {FIELDS!r}\n"
APP += """
from pathlib import Path

import joblib
from flask import Flask

from flask_skmodels import Artifact, SKModels

HOME = Path(__file__).parent
SCHEMA = {name: {"min": 0} for name in FIELDS}

app = Flask("clients")
app.config.update(
    SKMODELS_TRUST_PICKLE=True,
    SKMODELS_DIALECTS=("open-inference", "kserve-v1", "mlflow"),
    SKMODELS_MLFLOW_MODEL="iris",
)
models = SKModels(app)
models.add("iris", joblib.load(HOME / "iris.joblib"), schema=SCHEMA, probability=True)
models.add("words", joblib.load(HOME / "words.joblib"))
models.add("folder", Artifact(HOME / "folder"), probability=True)

own = SKModels(name="own", url_prefix="/native")
app.config.update(OWN_DIALECTS=["kserve-v1"], OWN_KSERVE_V1_URL_PREFIX="/own")
own.init_app(app)
own.add("iris", joblib.load(HOME / "iris.joblib"), schema=SCHEMA)
"""


def _environment(name: str) -> Path:
    folder = os.environ.get("SKMODELS_TEST_CLIENTS")
    if not folder:
        pytest.skip(CLIENTS_ARE_MISSING)
    return Path(folder) / name / "bin"


@cache
def _iris() -> Any:
    return LogisticRegression(max_iter=500).fit(X, Y)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    _environment("mlserver")
    home = tmp_path_factory.mktemp("clients")
    texts, labels = ["good fine", "bad poor", "g\u00fcte"], ["pro", "con", "pr\u00f3"]
    joblib.dump(_iris(), home / "iris.joblib")
    joblib.dump(
        make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts, labels), home / "words.joblib"
    )
    (home / "folder").mkdir()
    joblib.dump(LogisticRegression(C=0.01).fit(X, Y), home / "folder/1.joblib")
    joblib.dump(_iris(), home / "folder/2.joblib")
    with gunicorn(home, APP, "--threads", "2", workers=1) as running:
        yield running


def run(name: str, *command: object) -> str:
    """Return the output of a program in a client's environment."""
    done = subprocess.run(
        [_environment(name) / str(command[0]), *map(str, command[1:])],
        capture_output=True,
        text=True,
        timeout=240,
        cwd=ROOT,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def results_of(name: str, script: str, *arguments: object) -> Any:
    return json.loads(run(name, "python", SCRIPTS / script, *arguments).splitlines()[-1])


def inputs(datatype: str) -> Any:
    """Return X as the server makes it of rows of a datatype."""
    codes = {"FP16": "f2", **{key: code for key, code in TYPES.items() if key != "FP16"}}
    sent = ROWS.astype(codes[datatype])
    return sent if datatype == "FP32" else sent.astype(np.float64)


@pytest.mark.parametrize("kind", ["sync", "aio"])
def test_tritonclient(server: Server, kind: str) -> None:
    got = results_of("mlserver", "triton.py", f"{HOST}:{server.port}", kind)
    states = ("live", "ready", "model_ready", "version_ready", "unknown_ready")
    assert [got[state] for state in states] == [True, True, True, True, False]
    assert got["server"]["extensions"] == ["binary_tensor_data"]
    assert [each["name"] for each in got["metadata"]["inputs"]] == list(FIELDS)
    assert got["version_metadata"]["versions"] == ["2", "1"]
    for case in ("FP32", "FP64", "FP16", "INT64", "UINT8"):
        for binary in (True, False)[: 1 if case == "FP16" else 2]:
            outputs = got[f"{case} {binary}"]["outputs"]
            assert outputs["predict"] == ["int64", [0, 2]]
            expected = _iris().predict_proba(inputs(case))
            assert outputs["predict_proba"] == ["float64", expected.tolist()]
    for binary in (True, False):
        assert got[f"columns {binary}"]["outputs"] == {"predict": ["int64", [0, 2]]}
        words = ["pro", "con", "pr\u00f3"]
        assert got[f"texts {binary}"]["outputs"] == {"predict": ["object", words]}
    assert got["default"]["outputs"] == {"output-0": ["int64", [0, 2]]}
    assert got["id"]["id"] == "mine"
    assert (got["version"]["version"], got["id"]["version"]) == ("1", None)
    for sent in ("gzip", "deflate", None):
        for wanted in ("gzip", "deflate"):
            assert got[f"{sent} {wanted}"]["outputs"] == {"predict": ["int64", [0, 2]]}
    assert [status for status, _ in got["errors"]] == ["400", "400", "404", "404"]
    assert "field sepal_length: min value is 0" in got["errors"][0][1]


@pytest.fixture(scope="module")
def kserve(server: Server) -> Any:
    return results_of("kserve", "kserve_rest.py", f"{HOST}:{server.port}")


def test_kserve_v1(kserve: Any) -> None:
    got = kserve["v1"]
    assert got["live"] is got["ready"] is True
    for case in ("objects", "arrays", "inputs", "columns", "frame", "own"):
        assert got[case] == {"predictions": [0, 2]}, case
    assert got["words"] == {"predictions": ["pro", "con"]}
    assert [status for status, _ in got["errors"]] == [400, 400, 404, 404]
    assert "either instances or inputs" in got["errors"][1][1]


def test_kserve_v2(kserve: Any) -> None:
    got = kserve["v2"]
    states = ("live", "ready", "model_ready", "unknown_ready")
    assert [got[state] for state in states] == [True, True, True, False]
    for datatype in ("FP32", "FP64", "INT32"):
        for binary in (True, False):
            response = got[f"{datatype} {binary}"]
            assert response["id"] == "mine"
            assert response["predict"] == ["int64", [0, 2]]
            expected = _iris().predict_proba(inputs(datatype))
            assert response["predict_proba"] == ["float64", expected.tolist()]
    assert got["words"]["predict"] == ["object", ["pro", "con"]]
    status, message = got["error"]
    assert status == 400
    assert "min value is 0" in message


def test_mlserver_infer(server: Server, tmp_path: Path) -> None:
    parts = [ROWS, ROWS[:1], ROWS[1:]]
    tensors = [
        {"name": "a", "shape": list(part.shape), "datatype": "FP64", "data": part.ravel().tolist()}
        for part in parts
    ]
    requests = [{"id": str(i), "inputs": [tensor]} for i, tensor in enumerate(tensors)]
    sent, got = tmp_path / "requests.jsonl", tmp_path / "answers.jsonl"
    sent.write_text("".join(json.dumps(each) + "\n" for each in requests), encoding="utf-8")
    for options in ([], ["--binary-data"], ["--batch-size", "3"]):
        address = ["--url", f"{HOST}:{server.port}", "--model-name", "iris"]
        files = ["--input-data-path", sent, "--output-data-path", got]
        run("mlserver", "mlserver", "infer", *address, *files, "--workers", "1", *options)
        found = [json.loads(line) for line in got.read_text(encoding="utf-8").splitlines()]
        by_id = {each["id"]: each["outputs"][0]["data"] for each in found}
        assert by_id == {"0": [0, 2], "1": [0], "2": [2]}, options


def test_mlflow(server: Server) -> None:
    got = results_of("mlflow", "mlflow_scoring.py", HOST, server.port)
    assert got["version"]
    for case in ("frame", "turned", "array", "params"):
        assert got[case] == [0, 2], case
    assert got["as_frame"] == [[0], [2]]
    for error in got["errors"]:
        assert "error code 400" in error
        assert '"error_code":"' in error


def test_folders_that_mlflow_has_written(tmp_path: Path) -> None:
    run("mlflow", "python", SCRIPTS / "mlflow_save.py", tmp_path)
    for kind in ("pickle", "cloudpickle", "skops"):
        model = Model(name="iris", pipeline=Artifact(tmp_path / kind))
        client = serve(
            model,
            SKMODELS_TRUST_PICKLE=True,
            SKMODELS_VERSION_MISMATCH="ignore",
            SKMODELS_DIALECTS=["mlflow"],
            SKMODELS_MLFLOW_MODEL="iris",
        )
        body = (tmp_path / kind / "serving_input_example.json").read_bytes()
        response = client.post("/invocations", data=body, content_type="application/json")
        assert response.json == {"predictions": [0, 0]}
        assert len(client.get("/iris/").get_json()["examples"]) == 2
