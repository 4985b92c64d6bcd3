"""Forms and predictions in the templates of an application, without and with Flask-WTF's token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask import Flask, render_template, render_template_string, request
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from flask_skmodels import (
    ArtifactError,
    KeyValueModel,
    Model,
    SKModels,
    UnknownModel,
    after_prediction,
    before_prediction,
)
from tests.support.helpers import FIELDS, SETOSA, VIRGINICA
from tests.support.html import parsed

pytestmark = pytest.mark.usefixtures("strict_host")

PAGE = '{{ skmodels.form("iris") }}{{ skmodels.prediction("iris") }}'
PAGE_OF_GET = (
    '{{ skmodels.form("iris", method="get") }}{{ skmodels.prediction("iris", form_method="get") }}'
)
LENGTHS = {"min": 0, "meta": {"unit": "cm", "description": "measured by hand"}}


def hosting(page: str, *models: Model, **context: Any) -> FlaskClient:
    """Return the client of an application with a page of its own."""
    app = Flask("host")
    app.secret_key = "only in this test"
    extension = SKModels(app)
    for model in models:
        extension.register(model)
    app.add_url_rule(
        "/",
        "page",
        lambda: render_template_string(page, **context),
        methods=["GET", "POST"],
    )
    return app.test_client()


@pytest.fixture
def iris(pipeline: Any) -> KeyValueModel:
    return KeyValueModel(
        name="iris",
        pipeline=pipeline,
        probability=True,
        schema=dict.fromkeys(FIELDS, LENGTHS),
        examples=[SETOSA],
    )


def test_form_begins_with_the_first_example(iris: Model) -> None:
    page = parsed(hosting(PAGE, iris).get("/").text)
    inputs = {each["name"]: each for each in page.all("input", type="number")}
    assert {name: float(each["value"]) for name, each in inputs.items()} == SETOSA
    assert inputs["sepal_length"]["min"] == "0"
    assert "measured by hand" in page.text
    assert not page.all("div", class_="skmodels-prediction")


def test_sent_form_is_predicted_in_the_page(iris: Model) -> None:
    page = parsed(hosting(PAGE, iris).post("/", data={"skmodels": "iris", **VIRGINICA}).text)
    [output] = page.all("p", class_="skmodels-output")
    assert output.text == "2"
    assert len(page.all("meter")) == 3
    [length] = page.all("input", name="sepal_length")
    assert length["value"] == str(VIRGINICA["sepal_length"])


def test_known_categories_are_suggested_and_a_field_may_be_optional() -> None:
    X = pd.DataFrame({"town": ["Oslo", "Bergen", None] * 9, "size": [1.0, 2.0, 3.0] * 9})
    encoder = OneHotEncoder(handle_unknown="ignore")
    columns = make_column_transformer((encoder, ["town"]), remainder="passthrough")
    model = Model(
        name="rent", pipeline=make_pipeline(columns, LinearRegression()).fit(X, X["size"])
    )
    page = parsed(hosting('{{ skmodels.form("rent") }}', model).get("/").text)
    [town] = page.all("input", name="town")
    [known] = page.all("datalist", id=town["list"])
    assert [each["value"] for each in known.all("option")] == ["Bergen", "Oslo"]
    assert [each.text for each in page.all("label")] == ["town optional", "size"]


def test_errors_are_beside_their_fields(iris: Model) -> None:
    sent = {"skmodels": "iris", **VIRGINICA, "sepal_width": "-1", "petal_width": ""}
    page = parsed(hosting(PAGE, iris).post("/", data=sent).text)
    [width] = page.all("input", name="sepal_width")
    assert width["aria-invalid"] == "true"
    [error] = page.all("p", id=width["aria-describedby"].split()[-1])
    assert error.text == "must be at least 0"
    assert [each.text for each in page.all("p", class_="skmodels-error")] == [
        "must be at least 0",
        "a value is needed",
        "The input is not valid.",
    ]


def test_form_can_be_sent_in_the_address(iris: Model) -> None:
    client = hosting(PAGE_OF_GET, iris)
    sent = client.get("/", query_string={"skmodels": "iris", **VIRGINICA})
    assert parsed(sent.text).all("p", class_="skmodels-output")[0].text == "2"


def test_address_is_not_read_for_a_form_that_is_posted(iris: Model) -> None:
    client = hosting(PAGE, iris)
    sent = parsed(client.get("/", query_string={"skmodels": "iris", **VIRGINICA}).text)
    assert not sent.all("div", class_="skmodels-prediction")
    [length] = sent.all("input", name="sepal_length")
    assert float(length["value"]) == SETOSA["sepal_length"]


@pytest.mark.parametrize(
    ("destination", "is_predicted"), [("document", True), ("image", False), (None, False)]
)
def test_address_in_a_page_of_another_site_is_predicted_only_if_it_is_followed(
    iris: Model, destination: str | None, is_predicted: bool
) -> None:
    client = hosting(PAGE_OF_GET, iris)
    client.set_cookie("session", "x")
    counted: list[Any] = []
    headers = {"Sec-Fetch-Site": "cross-site"}
    headers |= {} if destination is None else {"Sec-Fetch-Dest": destination}
    with after_prediction.connected_to(lambda app, **extra: counted.append(app)):
        client.get("/", query_string={"skmodels": "iris", **VIRGINICA}, headers=headers)
    assert bool(counted) == is_predicted


def test_two_forms_on_a_page(iris: Model) -> None:
    other = Model(name="line", pipeline=LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]))
    page = f'{PAGE}{{{{ skmodels.form("line") }}}}{{{{ skmodels.prediction("line") }}}}'
    client = hosting(page, iris, other)
    sent = parsed(client.post("/", data={"skmodels": "line", "x0": "3"}).text)
    assert [each.text for each in sent.all("p", class_="skmodels-output")] == ["6"]
    ids = [each["id"] for each in sent.all("input") if "id" in each.attributes]
    assert len(ids) == len(set(ids)) == 5


def test_prediction_of_a_given_row(iris: Model) -> None:
    page = '{{ skmodels.prediction("iris", row) }}'
    shown = parsed(hosting(page, iris, row=SETOSA).get("/").text)
    assert shown.all("p", class_="skmodels-output")[0].text == "0"
    proba = '{{ skmodels.prediction("iris", row, method="predict_proba") }}'
    assert len(parsed(hosting(proba, iris, row=SETOSA).get("/").text).all("meter")) == 3
    wrong = parsed(hosting(page, iris, row=SETOSA | {"petal_width": -1}).get("/").text)
    assert wrong.all("p", class_="skmodels-error")[0].text == "petal_width: must be at least 0"


def test_unknown_model_is_an_error_of_the_developer(iris: Model) -> None:
    client = hosting('{{ skmodels.form("rose") }}', iris)
    client.application.testing = True
    with pytest.raises(UnknownModel, match=r"no model named 'rose'\. Registered models: iris"):
        client.get("/")


def test_model_that_cannot_predict_leaves_the_page_whole(iris: Model) -> None:
    client = hosting('before {{ skmodels.prediction("iris", row) }}', iris, row=SETOSA)

    def refuse(app: Flask, **extra: Any) -> None:
        raise ArtifactError(Path("/secret"), "is gone")

    with before_prediction.connected_to(refuse, client.application):
        page = client.get("/")
    assert page.status_code == 200
    assert "secret" not in page.text
    error = parsed(page.text).one("p", class_="skmodels-error")
    assert error.text == "the model cannot be loaded"


def test_form_from_another_site_is_not_predicted(iris: Model) -> None:
    client = hosting(PAGE, iris)
    client.set_cookie("session", "x")
    counted: list[Any] = []
    headers = {"Sec-Fetch-Site": "cross-site"}
    with after_prediction.connected_to(lambda app, **extra: counted.append(app)):
        sent = client.post("/", data={"skmodels": "iris", **VIRGINICA}, headers=headers)
    assert not counted
    assert "a form from another site" in sent.text


def test_token_of_flask_wtf_is_in_the_form(iris: Model) -> None:
    client = hosting(PAGE, iris)
    CSRFProtect(client.application)
    page = parsed(client.get("/").text)
    token = page.all("input", name="csrf_token")[0]["value"]
    sent = {"skmodels": "iris", **VIRGINICA}
    assert client.post("/", data=sent).status_code == 400
    good = client.post("/", data={**sent, "csrf_token": token})
    assert parsed(good.text).all("p", class_="skmodels-output")[0].text == "2"


def test_field_with_the_name_of_the_marker() -> None:
    line = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    model = KeyValueModel(name="odd", pipeline=line, schema={"skmodels": {}})
    client = hosting('{{ skmodels.form("odd") }}{{ skmodels.prediction("odd") }}', model)
    assert parsed(client.get("/").text).all("input", name="skmodels_")[0]["value"] == "odd"
    sent = parsed(client.post("/", data={"skmodels_": "odd", "skmodels": "2"}).text)
    assert sent.all("p", class_="skmodels-output")[0].text == "4"


def test_values_are_escaped(iris: Model) -> None:
    sent = {"skmodels": "iris", **VIRGINICA, "sepal_width": '"><script>alert(1)</script>'}
    assert "<script>" not in hosting(PAGE, iris).post("/", data=sent).text


def test_macro_is_overridden_by_a_template_of_the_application(
    pipeline: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "templates" / "skmodels" / "embed"
    folder.mkdir(parents=True)
    macro = "{% macro field(input) %}[{{ input.label }}]{% endmacro %}"
    added = "{% macro added_field(other) %}{% endmacro %}"
    (folder / "field.html").write_text(macro + added)
    (tmp_path / "templates" / "page.html").write_text('{{ skmodels.form("iris") }}')
    app = Flask("host", root_path=str(tmp_path))
    SKModels(app).add("iris", pipeline, schema={name: {} for name in FIELDS})
    with app.test_request_context("/"):
        page = render_template("page.html")
    assert "[sepal_length]" in page
    assert "skmodels-form" in page
    assert "skmodels-field" not in page


def test_global_is_named_like_the_extension(pipeline: Any) -> None:
    app = Flask("host")
    SKModels(app).add("a", pipeline)
    SKModels(app, name="other", url_prefix="/other").add("b", pipeline)
    with app.app_context():
        shown = render_template_string('{{ other.prediction("b", row) }}', row=[*SETOSA.values()])
    assert "skmodels-output" in shown


def test_global_of_the_application_is_left_alone(pipeline: Any) -> None:
    app = Flask("host")
    app.jinja_env.globals["skmodels"] = "mine"
    SKModels(app).add("a", pipeline)
    with app.app_context():
        assert render_template_string("{{ skmodels }}") == "mine"


def test_view_reads_the_request_before(iris: Model) -> None:
    client = hosting(PAGE, iris)
    seen: list[Any] = []
    client.application.before_request(lambda: seen.append(request.form.get("skmodels")))
    client.post("/", data={"skmodels": "iris", **VIRGINICA})
    assert seen == ["iris"]
