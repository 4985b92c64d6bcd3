"""``Content-Encoding``: compressed bodies of requests, and the limit of their size."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_skmodels import KeyValueModel, SKModels, input_rejected
from flask_skmodels.codecs import content_encoding
from tests.support.helpers import (
    FORM,
    JSON,
    SCHEMA,
    SETOSA,
    Error,
    encoded,
    errors_of,
    post_bytes,
    predictions,
    serve,
)

PATH = "/iris/predict/"
BODY = json.dumps(SETOSA).encode()
PACKED = gzip.compress(BODY)
REFUSED: list[Error] = [(None, None, "content_encoding")]
TOO_LONG: list[Error] = [(None, None, "max_content_length")]


def send(
    client: FlaskClient, body: bytes, coding: str = "gzip", content_type: str = JSON
) -> TestResponse:
    headers = {"Content-Encoding": coding}
    return client.post(PATH, data=body, content_type=content_type, headers=headers)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (PACKED, "gzip"),
        (PACKED, "GZip"),
        (PACKED, "x-gzip"),
        (PACKED, "identity, gzip"),
        (BODY, "identity"),
        (BODY, ""),
        (gzip.compress(BODY[:9]) + gzip.compress(BODY[9:]), "gzip"),
        (gzip.compress(b"") * 3 + PACKED + gzip.compress(b""), "gzip"),
        (gzip.compress(BODY, 0), "gzip"),
        (zlib.compress(BODY), "deflate"),
        (zlib.compress(BODY, 0), "Deflate"),
    ],
)
def test_body(client: FlaskClient, body: bytes, coding: str) -> None:
    assert predictions(send(client, body, coding)) == [0]


@pytest.mark.parametrize("content_type", [JSON, "text/csv", "application/x-ndjson"])
def test_members_of_all_sizes(client: FlaskClient, content_type: str) -> None:
    rows = [SETOSA] * 5000
    bodies = {
        JSON: json.dumps(rows).encode(),
        "text/csv": b"\n".join([",".join(SETOSA).encode(), *[b"5.1,3.5,1.4,0.2"] * 5000]),
        "application/x-ndjson": b"\n".join([BODY] * 5000),
    }
    body = bodies[content_type]
    step = 70_001
    members = b"".join(gzip.compress(body[at : at + step]) for at in range(0, len(body), step))
    response = send(client, members, content_type=content_type)
    assert response.status_code == 200
    assert response.data == post_bytes(client, PATH, body, content_type).data


@pytest.mark.parametrize(
    "body",
    [
        PACKED[:-1],
        PACKED[:-8],
        PACKED[:12],
        PACKED[:1],
        PACKED + PACKED[:-1],
        PACKED + b"x",
        PACKED + b"\0" * 20,
        b"garbage" * 9,
        BODY,
        zlib.compress(BODY),
        PACKED[:-8] + b"\0" * 8,
        PACKED[:15] + b"\xff\xff" + PACKED[17:],
    ],
)
def test_bad_body(client: FlaskClient, body: bytes) -> None:
    assert errors_of(send(client, body)) == REFUSED


def test_corrupt_anywhere(client: FlaskClient) -> None:
    chance = random.Random(0)
    for _ in range(300):
        body = bytearray(PACKED)
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        response = send(client, bytes(body))
        assert response.status_code == 400 or predictions(response) == [0]


@pytest.mark.parametrize(
    "coding", ["br", "gzip, gzip", "gzip, deflate", "gzip, br", "*", "a b", "zstd"]
)
def test_other_encodings(client: FlaskClient, coding: str) -> None:
    response = send(client, PACKED, coding)
    assert errors_of(response, 415) == REFUSED
    assert response.headers["Accept-Encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    "body",
    [
        zlib.compress(BODY)[:-1],
        zlib.compress(BODY) + b"x",
        zlib.compress(BODY) * 2,
        zlib.compress(BODY, wbits=-15),
        PACKED,
        BODY,
    ],
)
def test_bad_body_of_deflate(client: FlaskClient, body: bytes) -> None:
    assert errors_of(send(client, body, "deflate")) == REFUSED


def test_unpacked_length_of_deflate_is_bounded(limited: FlaskClient) -> None:
    bomb = zlib.compress(b"\0" * 1_500_000)
    assert errors_of(send(limited, bomb, "deflate"), 413) == TOO_LONG


def test_empty_body(client: FlaskClient) -> None:
    assert errors_of(send(client, b"")) == [(None, None, "json")]
    assert errors_of(send(client, gzip.compress(b""))) == [(None, None, "json")]


@pytest.fixture
def limited(pipeline: Any) -> FlaskClient:
    model = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    return serve(model, MAX_CONTENT_LENGTH=2000)


@pytest.mark.parametrize(("length", "status"), [(2000, 200), (2001, 413), (10_000_000, 413)])
def test_unpacked_length_is_bounded(limited: FlaskClient, length: int, status: int) -> None:
    packed = gzip.compress(BODY + b" " * (length - len(BODY)))
    response = send(limited, packed[:1990]) if status == 413 else send(limited, packed)
    assert response.status_code == status
    if status == 413:
        assert errors_of(response, 413) == TOO_LONG


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (PATH, "application/x-www-form-urlencoded"),
        (PATH, "multipart/form-data"),
        ("/iris/", "application/x-www-form-urlencoded"),
    ],
)
def test_unpacked_length_of_a_form_is_bounded(limited: FlaskClient, path: str, kind: str) -> None:
    bomb, content_type = gzip.compress(b"a" * 1_500_000), f"{kind}; boundary=x"
    headers = {"Content-Encoding": "gzip", "Accept": "text/html;q=0.9, application/json;q=0.8"}
    response = limited.post(path, data=bomb, content_type=content_type, headers=headers)
    assert response.status_code == 413


def test_unpacked_length_of_all_members_is_bounded(limited: FlaskClient) -> None:
    member = gzip.compress(b" " * 700)
    assert errors_of(send(limited, member * 2 + PACKED + member), 413) == TOO_LONG


def test_bomb_is_not_unpacked(limited: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    longest = 0
    decompressobj = zlib.decompressobj

    class Watched:
        def __init__(self, wbits: int) -> None:
            self.inner = decompressobj(wbits=wbits)

        def decompress(self, data: bytes, most: int) -> bytes:
            nonlocal longest
            part = self.inner.decompress(data, most)
            longest = max(longest, len(part))
            return part

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    bomb = gzip.compress(b"\0" * 1_500_000)
    assert errors_of(send(limited, bomb), 413) == TOO_LONG
    assert longest == 2001


def test_members_without_end_are_refused(client: FlaskClient) -> None:
    assert (
        errors_of(send(client, gzip.compress(b"") * (content_encoding.MAX_MEMBERS + 1))) == REFUSED
    )


def test_packed_length_is_bounded_too(limited: FlaskClient) -> None:
    noise = random.Random(0).randbytes(3000)
    assert errors_of(send(limited, gzip.compress(noise)), 413) == TOO_LONG


def test_default_limit_of_the_host_without_one(client: FlaskClient) -> None:
    packed = gzip.compress(b" " * (64 * 1024 * 1024 + 1), 1)
    assert errors_of(send(client, packed), 413) == TOO_LONG


# Forms


def test_form(client: FlaskClient) -> None:
    response = send(client, gzip.compress(encoded(SETOSA).encode()), content_type=FORM)
    assert response.text == "0"
    response = send(client, gzip.compress(b"sepal_length=%ff"), content_type=FORM)
    assert errors_of(response) == [(None, None, "form")]
    assert errors_of(send(client, b"sepal_length=1", content_type=FORM)) == REFUSED


def multipart(name: str, value: bytes, extra: str = "") -> tuple[bytes, str]:
    head = f'--abc\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'
    return head.encode() + value + b"\r\n--abc--\r\n", "multipart/form-data; boundary=abc"


def test_multipart(client: FlaskClient) -> None:
    body, content_type = multipart("sepal_length", b"x")
    errors = errors_of(send(client, gzip.compress(body), content_type=content_type))
    assert errors[0] == (0, "sepal_length", "type")
    body, content_type = multipart("file", BODY, '; filename="a.json"')
    assert predictions(send(client, gzip.compress(body), content_type=content_type)) == [0]


def test_bad_multipart_sends_input_rejected(app: Flask, client: FlaskClient) -> None:
    seen: list[Any] = []

    def receive(sender: Flask, errors: Any, **extra: Any) -> None:
        seen.append((sender, [error.rule for error in errors]))

    input_rejected.connect(receive, app)
    body, content_type = multipart("file", BODY, '; filename="a.json"')
    assert errors_of(send(client, body, content_type=content_type)) == REFUSED
    assert seen == [(app, ["content_encoding"])]


def test_body_that_the_host_has_read_already(models: SKModels) -> None:
    app = Flask("host")
    seen: list[bytes] = []
    app.before_request(lambda: seen.append(request.get_data()))
    models.init_app(app)
    assert predictions(send(app.test_client(), PACKED)) == [0]
    assert seen == [PACKED]
