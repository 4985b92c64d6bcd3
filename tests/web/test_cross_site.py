"""Forms that a page of another site sends with a visitor's login."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from flask_skmodels import KeyValueModel
from tests.support.helpers import FORM, JSON, SCHEMA, SETOSA, encoded, errors_of, serve

PATH = "/iris/predict/"
COOKIE = {"Cookie": "session=secret"}
BASIC = {"Authorization": "Basic YWRhOnNlY3JldA=="}
FOREIGN = {"Origin": "https://elsewhere.example"}
OWN = {"Origin": "http://localhost"}


def status(client: FlaskClient, headers: dict[str, str], content_type: str = FORM) -> int:
    body = encoded(SETOSA)
    if headers.get("Cookie"):
        client.set_cookie("session", "secret")
    return client.post(PATH, data=body, headers=headers, content_type=content_type).status_code


@pytest.mark.parametrize("login", [COOKIE, BASIC])
@pytest.mark.parametrize(
    "sent",
    [
        FOREIGN,
        {"Origin": "null"},
        {"Origin": "http://localhost:8000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {**OWN, "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_form_of_another_site_with_a_login_is_refused(
    client: FlaskClient, login: dict[str, str], sent: dict[str, str]
) -> None:
    assert status(client, {**login, **sent}) == 403


@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=x", "text/plain", "", FORM.upper()]
)
def test_whatever_a_page_may_send_unasked_is_refused(
    client: FlaskClient, content_type: str
) -> None:
    assert status(client, {**COOKIE, **FOREIGN}, content_type) == 403


def test_refusal_is_a_problem_document(client: FlaskClient) -> None:
    headers = {**BASIC, **FOREIGN}
    response = client.post(PATH, data=encoded(SETOSA), headers=headers, content_type=FORM)
    assert errors_of(response, 403) == [(None, None, "origin")]
    assert "X-Request-ID" in response.headers
    assert "elsewhere" not in response.text


@pytest.mark.parametrize(
    "headers",
    [
        COOKIE,  # a client that is no browser
        BASIC,
        FOREIGN,  # without a login there is nothing to misuse
        {"Sec-Fetch-Site": "cross-site"},
        {**COOKIE, **OWN},
        {**COOKIE, **OWN, "Sec-Fetch-Site": "same-origin"},
        {**COOKIE, "Sec-Fetch-Site": "none"},
        {**COOKIE, **FOREIGN, "Sec-Fetch-Site": "same-origin"},  # a proxy with a name of its own
        {**FOREIGN, "Authorization": "Bearer secret"},  # asked for before, by a browser
    ],
)
def test_other_forms_are_answered(client: FlaskClient, headers: dict[str, str]) -> None:
    assert status(client, headers) == 200


def test_json_is_left_to_cors(client: FlaskClient) -> None:
    response = client.post(PATH, json=SETOSA, headers={**BASIC, **FOREIGN})
    assert (response.status_code, response.content_type) == (200, JSON)


def test_trusted_origin_may(pipeline: object) -> None:
    iris = KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA)
    client = serve(iris, SKMODELS_TRUSTED_ORIGINS=[FOREIGN["Origin"]])
    assert status(client, {**COOKIE, **FOREIGN}) == 200
    assert status(client, {**COOKIE, "Origin": "https://elsewhere.example:444"}) == 403
