"""The registry of codecs: a codec of another package, and one whose library is missing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage

from flask_skmodels import Codec, InvalidInput, Prediction, SKModels, register_codec
from flask_skmodels.codecs import registration
from flask_skmodels.codecs.columns import answer_columns
from flask_skmodels.codecs.json import JSONCodec
from flask_skmodels.schema.rows import Rows
from tests.support.helpers import FIELDS, SETOSA, errors_of, messages_of, post_bytes

PATH = "/iris/predict/"
TSV = "text/tab-separated-values"
ROOT = Path(__file__).parent.parent.parent


class TSVCodec(Codec):
    """Tabs between values, the first line names the fields."""

    media_type = TSV
    reads = (TSV,)
    suffixes = (".tsv",)

    def decode(self, source: Any, schema: Any) -> Rows:
        lines = [line.split("\t") for line in source.data.decode().splitlines()]
        if any(len(line) != len(lines[0]) for line in lines):
            raise InvalidInput.of_request("tsv", "the lines must be of one length")
        return Rows([dict(zip(lines[0], line, strict=True)) for line in lines[1:]], text=True)

    def encode(self, prediction: Prediction) -> bytes:
        names, columns = zip(*answer_columns(prediction), strict=True)
        lines = [names, *zip(*columns, strict=True)]
        return "".join("\t".join(map(str, line)) + "\n" for line in lines).encode()


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the codecs that a test registers after it."""
    for name in ("_CODECS", "_MISSING"):
        monkeypatch.setattr(registration, name, dict(getattr(registration, name)))


ROWS = ("\t".join(FIELDS) + "\n5.1\t3.5\t1.4\t0.2\n").encode()


def test_type_is_unknown_without_it(client: FlaskClient) -> None:
    assert errors_of(post_bytes(client, PATH, ROWS, TSV), 415)[0][2] == "content_type"


@pytest.mark.usefixtures("registry")
def test_codec_of_a_third_party(client: FlaskClient) -> None:
    register_codec(TSVCodec())
    response = post_bytes(client, PATH, ROWS, TSV)
    assert (response.text, response.content_type) == ("prediction\n0\n", f"{TSV}; charset=utf-8")
    response = client.post(PATH, json=SETOSA, headers={"Accept": f"{TSV}, application/json;q=0.5"})
    assert response.text == "prediction\n0\n"
    response = client.post(PATH, data={"file": FileStorage(io.BytesIO(ROWS), "rows.tsv")})
    assert response.text == "prediction\n0\n"
    assert errors_of(post_bytes(client, PATH, ROWS + b"x", TSV)) == [(None, None, "tsv")]
    bad = post_bytes(client, PATH, ROWS.replace(b"5.1", b"x"), TSV)
    assert errors_of(bad) == [(0, "sepal_length", "type")]


@pytest.mark.usefixtures("registry")
def test_codec_that_replaces_another(client: FlaskClient) -> None:
    class Braces(JSONCodec):
        def encode(self, prediction: Prediction) -> bytes:
            return b"{}"

    register_codec(Braces())
    assert client.post(PATH, json=SETOSA).data == b"{}"


class Absent(TSVCodec):
    library = "no_such_library_anywhere"
    extra = "tsv"


@pytest.mark.usefixtures("registry")
def test_codec_whose_library_is_missing(
    client: FlaskClient, models: SKModels, caplog: pytest.LogCaptureFixture
) -> None:
    register_codec(Absent())
    response = post_bytes(client, PATH, ROWS, TSV)
    assert errors_of(response, 415)[0][2] == "content_type"
    [message] = messages_of(response, 415)
    needed = f"; {TSV} needs the extra 'tsv' of Flask-SKModels on the server"
    assert message.endswith(needed)
    file = FileStorage(io.BytesIO(ROWS), "rows.tsv", content_type="application/octet-stream")
    assert messages_of(client.post(PATH, data={"file": file}), 415)[0].endswith(needed)
    response = client.post(PATH, json=SETOSA, headers={"Accept": TSV})
    assert messages_of(response, 406)[0].endswith(needed)
    response = client.post(PATH, json=SETOSA, headers={"Accept": "text/x-other"})
    assert "extra" not in messages_of(response, 406)[0]
    assert "extra" not in messages_of(post_bytes(client, PATH, ROWS, "text/x-other"), 415)[0]
    models.init_app(Flask("another"))
    assert caplog.records == []


@pytest.mark.usefixtures("registry")
def test_codec_that_replaces_a_missing_one() -> None:
    register_codec(Absent())
    register_codec(TSVCodec())
    assert registration.missing_codecs() == []


WITHOUT_PYARROW = """
import json, sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        absent = name.partition(".")[0] == "pyarrow"
        return None if absent else super().find_spec(name, path, target)

sys.meta_path = [Finder if finder is PathFinder else finder for finder in sys.meta_path]

from flask import Flask
from sklearn.linear_model import LinearRegression
from flask_skmodels import SKModels

ARROW = "application/vnd.apache.arrow.stream"
models = SKModels()
models.add("line", LinearRegression(fit_intercept=False).fit([[1.0]], [2.0]))
app = Flask("app")
models.init_app(app)
client = app.test_client()
path = "/line/predict/"
body = b"3\\n" * 90_000
answers = [
    client.post(path, data=b"", content_type=ARROW),
    client.post(path, json=[[3]], headers={"Accept": ARROW}),
    client.post(path, json=[[3]], headers={"Accept": ARROW + ", text/csv;q=0.1"}),
    client.post(path, data=body, content_type="text/csv"),
]
print(json.dumps([[answer.status_code, answer.text[:600]] for answer in answers]))
"""


@pytest.mark.full
def test_without_pyarrow() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_PYARROW],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "arrow" not in done.stderr
    unread, unwritten, other, large = json.loads(done.stdout)
    assert [unread[0], unwritten[0], other[0], large[0]] == [415, 406, 200, 200]
    needed = "arrow.stream needs the extra 'arrow' of Flask-SKModels on the server"
    assert needed in unread[1]
    assert needed in unwritten[1]
    assert other[1] == "prediction\r\n6.0\r\n"
    assert large[1].startswith("prediction\r\n6.0\r\n6.0\r\n")
