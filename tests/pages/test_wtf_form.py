"""Form classes of Flask-WTF made from schemas, with the real Flask-WTF."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest
from flask import Flask, render_template_string
from flask_wtf import FlaskForm
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from wtforms import (
    BooleanField,
    DateField,
    EmailField,
    FloatField,
    IntegerField,
    SelectField,
    StringField,
    SubmitField,
    TextAreaField,
)
from wtforms.validators import InputRequired

from flask_skmodels import ConfigurationError, KeyValueModel, Model, Profile, SKModels
from tests.support.helpers import FIELDS, SCHEMA, SETOSA
from tests.support.html import parsed

pytestmark = pytest.mark.usefixtures("strict_host")

KINDS: dict[str, Any] = {
    "age": {"type": "integer", "min": 18, "max": 99, "meta": {"label": "Age", "unit": "years"}},
    "income": {"type": "number", "nullable": True, "meta": {"description": "before tax"}},
    "city": {"allowed": ["Oslo", "Bergen"], "default": "Oslo"},
    "smoker": {"type": "boolean"},
    "since": {"type": "date"},
    "note": {"type": "string", "maxlength": 20},
}
ROW = {"age": "40", "income": "", "city": "Bergen", "since": "2026-07-14", "note": "none"}


class Person(KeyValueModel):
    schema = KINDS
    pipeline = make_pipeline(
        FunctionTransformer(lambda X: pd.DataFrame(X)[["age"]].astype(float)), LinearRegression()
    ).fit(
        pd.DataFrame(
            {
                "age": [20, 40],
                "income": [1.0, 2.0],
                "city": ["Oslo", "Bergen"],
                "smoker": [True, False],
                "since": pd.to_datetime(["2026-01-01", "2026-02-01"]),
                "note": ["a", "b"],
            }
        ),
        [2.0, 4.0],
    )


@pytest.fixture
def models() -> SKModels:
    app = Flask("host")
    app.config.update(SECRET_KEY="only in this test", WTF_CSRF_ENABLED=False)
    extension = SKModels(app)
    extension.register(Person)
    extension.app = app  # type: ignore[attr-defined]
    return extension


def sent(models: Any, name: str, **data: str) -> Any:
    """Return the form of a model after a browser has sent it, validated."""
    with models.app.test_request_context("/", method="POST", data=data):
        form = models[name].form()()
        form.is_valid = form.validate_on_submit()
        form.predicted = form.predict().outputs if form.is_valid else None
        return form


def test_fields_have_the_types_ranges_choices_and_help_of_the_schema(models: Any) -> None:
    with models.app.test_request_context("/"):
        form = models["person"].form()()
        assert isinstance(form, FlaskForm)
        kinds = {name: form[name] for name in KINDS}
        assert isinstance(form.age, IntegerField)
        assert isinstance(form.income, FloatField)
        assert isinstance(form.city, SelectField)
        assert isinstance(form.smoker, BooleanField)
        assert isinstance(form.since, DateField)
        assert isinstance(form.note, StringField)
        age = parsed(str(form.age())).one("input")
        city = parsed(str(form.city()))
    assert (age["type"], age["min"], age["max"], age["step"]) == ("number", "18", "99", "1")
    assert "required" in age.attributes
    assert kinds["age"].label.text == "Age (years)"
    assert kinds["income"].description == "before tax"
    assert [each["value"] for each in city.all("option")] == ["", "Oslo", "Bergen"]
    assert kinds["city"].data == "Oslo"


def test_valid_form_is_a_row_and_a_prediction(models: Any) -> None:
    form = sent(models, "person", **ROW, smoker="true")
    assert form.is_valid, form.errors
    assert form.row == {
        "age": 40,
        "income": None,
        "city": "Bergen",
        "smoker": True,
        "since": "2026-07-14",
        "note": "none",
    }
    assert form.predicted.tolist() == [4.0]
    assert (form.age.data, form.since.data) == (40, date(2026, 7, 14))


def test_box_that_is_not_checked_is_false(models: Any) -> None:
    assert sent(models, "person", **ROW).row["smoker"] is False


def test_errors_of_the_model_are_beside_their_fields(models: Any) -> None:
    form = sent(models, "person", **ROW | {"age": "17", "city": "Rome", "note": "x" * 30})
    assert not form.is_valid
    assert form.row is None
    assert form.errors == {
        "age": ["must be at least 18"],
        "city": ["choose one of Oslo, Bergen"],
        "note": ["must have a length of at most 20"],
    }


def test_text_that_is_no_number_is_one_error_and_is_shown_again(models: Any) -> None:
    form = sent(models, "person", **ROW | {"age": "many"})
    assert form.errors == {"age": ["must be a whole number"]}
    assert parsed(str(form.age())).one("input")["value"] == "many"


def test_prediction_of_an_invalid_form_is_refused(models: Any) -> None:
    with (
        models.app.test_request_context("/"),
        pytest.raises(RuntimeError, match="call validate_on_submit first"),
    ):
        models["person"].form()().predict()


def test_token_is_checked(models: Any) -> None:
    models.app.config["WTF_CSRF_ENABLED"] = True
    form = sent(models, "person", **ROW)
    assert not form.is_valid
    assert list(form.errors) == ["csrf_token"]


def test_names_that_a_form_uses_itself_and_names_that_are_none() -> None:
    app = Flask("host")
    app.config.update(SECRET_KEY="only in this test", WTF_CSRF_ENABLED=False)
    names = ["data", "sepal length (cm)", "validate", "class", "_x", "row"]
    line = LinearRegression().fit([[0.0] * 6, [1.0] * 6], [0.0, 6.0])
    models: Any = SKModels(app)
    models.app = app
    models.add("odd", line, schema={name: {} for name in names})
    form = sent(models, "odd", **dict.fromkeys(names, "1"))
    assert form.predicted.tolist() == pytest.approx([6.0])
    assert [form[name].name for name in names] == names
    assert form.data_.data == form.sepal_length__cm_.data == 1
    assert sent(models, "odd", **dict.fromkeys(names, "x")).errors.keys() == {
        *("data_", "sepal_length__cm_", "validate_", "field_class", "x", "row_"),
    }


def test_form_begins_with_typical_values_of_the_training_data(named: Any) -> None:
    app = Flask("host")
    app.secret_key = "only in this test"
    models = SKModels(app)
    frame = pd.DataFrame([SETOSA, SETOSA, SETOSA])
    models.add("iris", named, profile=Profile.of(frame))
    with app.test_request_context("/"):
        form = models["iris"].form()()
    assert {name: form[name].data for name in FIELDS} == SETOSA


def test_form_of_a_row_without_names(pipeline: Any) -> None:
    app = Flask("host")
    app.config.update(SECRET_KEY="only in this test", WTF_CSRF_ENABLED=False)
    models: Any = SKModels(app)
    models.app = app
    models.add("iris", pipeline)
    form = sent(models, "iris", x0="5.1", x1="3.5", x2="1.4", x3="-")
    assert form.errors == {"x3": ["must be a number"]}
    assert sent(models, "iris", x0="5.1", x1="3.5", x2="1.4", x3="0.2").predicted.tolist() == [0]
    wide = LinearRegression().fit([[0.0] * 50, [1.0] * 50], [0.0, 50.0])
    models.add("wide", wide)
    long = sent(models, "wide", values=",".join(["1"] * 50))
    assert isinstance(long["values"], TextAreaField)
    assert long.predicted.tolist() == pytest.approx([50.0])
    assert sent(models, "wide", values="1,2").form_errors == [] != sent(models, "wide").errors


def test_subclass_adds_fields_that_the_template_draws(models: Any) -> None:
    with models.app.test_request_context("/", method="POST", data=ROW):

        class Ask(models["person"].form()):  # type: ignore[misc]
            email = EmailField(validators=[InputRequired()])
            submit = SubmitField("Ask")

        form = Ask()
        assert not form.validate_on_submit()
        page = parsed(render_template_string("{{ skmodels.form(form) }}", form=form))
    assert page.one("input", name="email")["type"] == "email"
    assert [each["value"] for each in page.all("input", type="submit")] == ["Ask"]
    assert not page.all("button")
    assert page.one("p", class_="skmodels-error").text == "This field is required."


def test_form_and_prediction_in_a_template(models: Any) -> None:
    page = (
        "{{ skmodels.form(form, submit='Go') }}"
        "{% if prediction %}{{ skmodels.prediction(prediction) }}{% endif %}"
    )

    def view() -> str:
        form = models["person"].form()()
        prediction = form.predict() if form.validate_on_submit() else None
        return render_template_string(page, form=form, prediction=prediction)

    models.app.config["WTF_CSRF_ENABLED"] = True
    models.app.add_url_rule("/", "view", view, methods=["GET", "POST"])
    client = models.app.test_client()
    first = parsed(client.get("/").text)
    assert first.one("button").text == "Go"
    token = first.one("input", name="csrf_token")["value"]
    assert "token is missing" in client.post("/", data=ROW).text
    shown = parsed(client.post("/", data=ROW | {"csrf_token": token}).text)
    assert shown.one("p", class_="skmodels-output").text == "4"
    wrong = parsed(client.post("/", data=ROW | {"csrf_token": token, "age": "1"}).text)
    assert wrong.one("p", class_="skmodels-error").text == "must be at least 18"


def test_form_with_a_prefix(models: Any) -> None:
    data = {f"a-{name}": text for name, text in ROW.items()}
    with models.app.test_request_context("/", method="POST", data=data):
        form = models["person"].form()(prefix="a")
        assert form.validate_on_submit(), form.errors
        assert form.inputs()[0].name == "a-age"


def test_form_of_data_without_a_request_body(models: Any) -> None:
    with models.app.test_request_context("/"):
        data = {"age": 30, "city": "Oslo", "since": date(2026, 1, 2), "note": "x", "smoker": True}
        form = models["person"].form()(data=data)
        assert form.validate(), form.errors
    assert form.row["since"] == "2026-01-02"
    assert form.row["smoker"] is True


def test_form_needs_a_registered_model_and_flask_wtf(
    pipeline: Any, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="is not registered"):
        Model(name="iris", pipeline=pipeline, schema=SCHEMA).form()
    monkeypatch.setitem(__import__("sys").modules, "flask_skmodels.pages.wtf_form", None)
    with pytest.raises(ConfigurationError, match=r"forms need Flask-WTF.*pip install.*wtf"):
        models["person"].form(app=models.app)
