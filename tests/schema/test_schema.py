"""Schemas: defaults, transforms, types and rules, in both forms, of text and typed values."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import cerberus
import numpy as np
import pandas as pd
import pytest
from cerberus import Validator as CerberusValidator
from cerberus.errors import ErrorDefinition
from flask.testing import FlaskClient
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression

from flask_skmodels import (
    InvalidInput,
    KeyValueModel,
    Model,
    ModelError,
    Rows,
    Validator,
    ValuesModel,
)
from flask_skmodels.schema.fields import InputColumn, Inputs
from flask_skmodels.schema.schema import FixedSchema
from tests.support.helpers import (
    FIELDS,
    SCHEMA,
    X,
    Y,
    errors_of,
    messages_of,
    post_json,
    predictions,
    serve,
)

PATH = "/echo/transform/"
ABSENT = object()


class Echo:
    """An estimator whose predictions are X, as the schema built it."""

    def transform(self, X: Any) -> Any:
        return X


def echo(schema: Any, **attributes: Any) -> FlaskClient:
    """Return the client of a model that responds with X."""
    return serve(KeyValueModel(name="echo", pipeline=Echo(), schema=schema, **attributes))


def of_form(client: FlaskClient, **row: str) -> Any:
    """Return the values of X for a form."""
    return predictions(client.post(PATH, data=row, headers={"Accept": "application/json"}))[0]


def of_json(client: FlaskClient, **row: Any) -> Any:
    return predictions(post_json(client, PATH, row))[0]


def test_list_form_mixed_with_rules() -> None:
    client = echo(
        [
            {"name": "age", "default": 30, "transform": int, "min": 0},
            {"name": "sex", "allowed": ["f", "m"]},
        ]
    )
    assert of_form(client, age="41", sex="f") == [41, "f"]
    assert of_form(client, sex="m") == [30, "m"]
    assert of_form(client, age="", sex="m") == [30, "m"]
    assert of_json(client, age=None, sex="m") == [30, "m"]
    assert of_json(client, age="41", sex="m") == [41, "m"]
    assert predictions(post_json(client, PATH, [[7, "f"], [None, "m"]])) == [[7, "f"], [30, "m"]]
    assert errors_of(client.post(PATH, data={"age": "-1", "sex": "x"})) == [
        (0, "age", "min"),
        (0, "sex", "allowed"),
    ]
    assert errors_of(client.post(PATH, data={"age": "old", "sex": ""})) == [
        (0, "age", "transform"),
        (0, "sex", "allowed"),
    ]


def test_cerberus_form() -> None:
    client = echo({"age": {"type": "integer", "min": 0, "default": 30}})
    assert of_form(client, age="41") == [41]
    assert of_form(client) == [30]
    assert of_json(client) == [30]
    assert errors_of(client.post(PATH, data={"age": "4.5"})) == [(0, "age", "type")]
    assert errors_of(post_json(client, PATH, {"age": 4.5})) == [(0, "age", "type")]
    assert errors_of(post_json(client, PATH, {"age": 2**63})) == [(0, "age", "type")]
    assert of_json(client, age=2**63 - 1) == [2**63 - 1]


def test_transform_is_called_after_the_default() -> None:
    seen: list[Any] = []

    def transform(value: Any) -> float:
        seen.append(value)
        return float(value) * 2

    client = echo([{"name": "age", "default": "30", "transform": transform}])
    seen.clear()
    assert of_form(client) == [60.0]
    assert of_form(client, age="4") == [8.0]
    assert of_json(client, age=5) == [10.0]
    assert seen == ["30", "4", 5]


@pytest.mark.parametrize(
    "exception", [ValueError, TypeError, KeyError, ZeroDivisionError, RuntimeError, AssertionError]
)
def test_exception_of_a_transform_is_an_error_of_the_field(exception: type[Exception]) -> None:
    def transform(value: Any) -> Any:
        raise exception(f"s3cr3t {value}")

    response = echo([{"name": "age", "transform": transform}]).post(PATH, data={"age": "41x"})
    assert errors_of(response) == [(0, "age", "transform")]
    assert messages_of(response) == ["field 'age' cannot be coerced"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "x", [1], None, 1j])
def test_transform_that_returns_no_number(value: Any) -> None:
    client = echo([{"name": "age", "transform": lambda _: value}])
    response = client.post(PATH, data={"age": "1"})
    assert response.status_code == 400
    assert response.get_json()["errors"][0]["field"] == "age"


def test_rules_apply_to_the_result_of_the_transform() -> None:
    client = echo([{"name": "age", "transform": [str.strip, int], "max": 9}])
    assert of_form(client, age=" 9 ") == [9.0]
    assert errors_of(client.post(PATH, data={"age": "10"})) == [(0, "age", "max")]


def test_coerce_and_transform() -> None:
    client = echo([{"name": "age", "coerce": float, "transform": lambda value: value + 1}])
    assert of_form(client, age="1.5") == [2.5]
    assert errors_of(client.post(PATH, data={"age": "x"}))[0][:2] == (0, "age")


DAY = date(2020, 2, 29)
MOMENT = datetime(2020, 2, 29, 12, 30)
BAD = object()

READINGS: dict[str, tuple[dict[str, Any], dict[str, object], list[tuple[Any, object]]]] = {
    "number": (
        {},
        {"5": 5, " 5.5 ": 5.5, ".5": 0.5, "5.": 5, "-1e3": -1000, "+2": 2, "abc": BAD, "true": BAD},
        [(5, 5), (5.5, 5.5), ("5", BAD), (True, BAD), ([], BAD), (None, BAD)],
    ),
    "float": ({"type": "float"}, {"5": 5, "5.5": 5.5, "x": BAD}, [(5, 5), ("5", BAD)]),
    "integer": (
        {"type": "integer"},
        {"5": 5, " -5 ": -5, "5.0": BAD, "1e3": BAD, "9" * 401: BAD},
        [(5, 5), (5.0, BAD), (False, BAD), ("5", BAD)],
    ),
    "boolean": (
        {"type": "boolean"},
        {"true": True, "1": True, "On": True, "yes": True, "FALSE": False, "0": False, "2": BAD},
        [(True, True), (False, False), (1, BAD), ("true", BAD), (0.0, BAD)],
    ),
    "string": (
        {"type": "string"},
        {"a": "a", "5": "5", " ": " ", "é": "é", "": ""},
        [("a", "a"), ("", ""), (5, BAD), (None, BAD), (["a"], BAD)],
    ),
    "date": (
        {"type": "date"},
        {"2020-02-29": DAY.isoformat(), "2020-02-30": BAD, "x": BAD},
        [("2020-02-29", DAY.isoformat()), ("2020-13-01", BAD), (5, BAD)],
    ),
    "datetime": (
        {"type": "datetime"},
        {"2020-02-29T12:30": MOMENT.isoformat(), "12:30": BAD},
        [("2020-02-29T12:30:00", MOMENT.isoformat()), (5, BAD)],
    ),
    "allowed integers": (
        {"allowed": [1, 2]},
        {"1": 1, "3": BAD, "1.0": BAD, "x": BAD},
        [(2, 2), ("2", BAD), (True, BAD), ([], BAD)],
    ),
    "allowed numbers": (
        {"allowed": [0.5, 1]},
        {"0.5": 0.5, "1": 1, "2": BAD},
        [(0.5, 0.5), (1, 1), (True, BAD)],
    ),
    "allowed texts": (
        {"allowed": ["1", "2"]},
        {"1": "1", "3": BAD},
        [("1", "1"), (1, BAD), ([], BAD), (["1"], BAD)],
    ),
    "allowed booleans": ({"allowed": [True]}, {"yes": True, "no": BAD}, [(True, True), (1, BAD)]),
    "allowed, of both kinds": (
        {"allowed": [1, "a"]},
        {"1": 1, "a": "a", "b": BAD},
        [(1, 1), ("a", "a"), ("1", BAD), ([], BAD)],
    ),
    "number or text": (
        {"type": ["number", "string"]},
        {"1.5": 1.5, "a": "a"},
        [(1.5, 1.5), ("1.5", "1.5"), (True, BAD)],
    ),
}


@pytest.mark.parametrize(("rules", "texts", "values"), READINGS.values(), ids=READINGS)
def test_readings(
    rules: dict[str, Any], texts: dict[str, object], values: list[tuple[Any, object]]
) -> None:
    client = echo({"field": rules})
    accept = {"Accept": "application/json"}
    sent = [
        (text, client.post(PATH, data={"field": text}, headers=accept), expected)
        for text, expected in texts.items()
    ]
    sent += [
        (value, post_json(client, PATH, {"field": value}), expected) for value, expected in values
    ]
    for value, response, expected in sent:
        if expected is BAD:
            assert {error[:2] for error in errors_of(response)} == {(0, "field")}, value
        else:
            assert predictions(response) == [[expected]], value
            assert type(predictions(response)[0][0]) in {type(expected), float}, value


@pytest.mark.parametrize("value", ["", " "])
def test_empty_text_of_a_form_is_missing(value: str) -> None:
    for rules in ({}, {"type": "integer"}, {"type": "boolean"}, {"type": "date"}):
        client = echo({"field": rules})
        assert errors_of(client.post(PATH, data={"field": value})) == [(0, "field", "required")]
    client = echo({"field": {"default": 3}})
    assert of_form(client, field=value) == [3]


def test_default_of_a_field() -> None:
    client = echo({"field": {"default": 3}})
    assert of_json(client) == [3]
    assert of_json(client, field=None) == [3]
    assert of_json(client, field="") == [3]
    assert of_json(client, field=0) == [0]


@pytest.fixture
def nullable() -> FlaskClient:
    """Return the client of an estimator that accepts missing values, with nullable fields."""
    fitted = HistGradientBoostingClassifier(max_iter=2).fit(X, Y)

    class Seen(KeyValueModel):
        def predict(self, X: Any) -> Any:
            return X

    schema = {
        "sepal_length": {"nullable": True},
        "sepal_width": {"nullable": True, "default": 7.0},
        "petal_length": {"nullable": True, "min": 0},
        "petal_width": {"nullable": True, "required": True, "type": "integer"},
    }
    return serve(Seen(name="seen", pipeline=fitted, schema=schema))


def test_missing_values(nullable: FlaskClient) -> None:
    rows = [
        dict.fromkeys(FIELDS),
        dict.fromkeys(FIELDS, float("nan")),
        {"sepal_length": None, "petal_width": None},
        [1.5, 2, 3, 4],
    ]
    response = post_json(nullable, "/seen/predict/", rows)
    assert predictions(response) == [
        [None] * 4,
        [None] * 4,
        [None, 7.0, None, None],
        [1.5, 2.0, 3.0, 4.0],
    ]
    form = dict.fromkeys(FIELDS, "") | {"sepal_width": "nan"}
    response = nullable.post("/seen/predict/", data=form)
    assert response.text == "nan,nan,nan,nan"
    refused = post_json(nullable, "/seen/predict/", [{"petal_length": float("inf")}])
    assert errors_of(refused) == [
        (0, "petal_length", "type"),
        (0, "petal_width", "required"),
    ]


def test_nullable_if_the_estimator_accepts_no_missing_value(pipeline: Any) -> None:
    schema = SCHEMA | {"petal_width": {"nullable": True}}
    message = (
        "field 'petal_width' is nullable, but the model's Pipeline raises on each missing value"
    )
    with pytest.raises(ModelError, match=message):
        serve(KeyValueModel(name="iris", pipeline=pipeline, schema=schema))


def test_columns_in_the_estimators_order() -> None:
    frame = pd.DataFrame({"b": [1.0, 0.0, 0.0], "a": [0.0, 1.0, 0.0], "c": [0.0, 0.0, 1.0]})
    fitted = LinearRegression(fit_intercept=False).fit(frame, [1.0, 10.0, 100.0])
    client = serve(KeyValueModel(name="sum", pipeline=fitted, schema={"a": {}, "b": {}, "c": {}}))
    expected = fitted.predict(pd.DataFrame({"b": [2.0], "a": [1.0], "c": [3.0]})).tolist()
    for row in ({"c": 3, "b": 2, "a": 1}, {"a": 1, "b": 2, "c": 3}):
        assert predictions(post_json(client, "/sum/predict", row)) == expected
    assert predictions(post_json(client, "/sum/predict", [[1, 2, 3]])) == expected


def test_field_that_renames() -> None:
    client = echo({"length": {"rename": "sepal_length"}, "sepal_length": {"max": 9}})
    assert of_json(client, length=5.5) == [5.5]
    assert of_json(client, sepal_length=5.5) == [5.5]
    assert predictions(post_json(client, PATH, [[5.5]])) == [[5.5]]
    assert errors_of(post_json(client, PATH, {"length": 10}))[0][2] == "max"
    assert errors_of(post_json(client, PATH, {})) == [(0, "sepal_length", "required")]


RULES: dict[str, tuple[dict[str, Any], Any, str, str]] = {
    "min": ({"min": 1}, 0, "min", "min value is 1"),
    "max": ({"max": 1}, 2, "max", "max value is 1"),
    "allowed": ({"allowed": ["a"]}, "b", "allowed", "unallowed value"),
    "forbidden": ({"type": "string", "forbidden": ["b"]}, "b", "forbidden", "unallowed value"),
    "regex": ({"type": "string", "regex": "a+"}, "b", "regex", "does not match regex 'a+'"),
    "minlength": ({"type": "string", "minlength": 2}, "b", "minlength", "min length is 2"),
    "maxlength": ({"type": "string", "maxlength": 1}, "bb", "maxlength", "max length is 1"),
    "empty": ({"type": "string", "empty": False}, "", "empty", "empty values not allowed"),
    "anyof": ({"anyof": [{"max": 1}, {"min": 5}]}, 3, "anyof", "no definitions validate"),
    "anyof_min": ({"type": "number", "anyof_min": [5, 6]}, 3, "anyof", "no definitions"),
    "noneof": ({"type": "number", "noneof": [{"min": 3}]}, 3, "noneof", "definitions validate"),
    "items of a list": (
        {"type": "list", "schema": {"type": "string"}},
        ["a", 5],
        "type",
        "item 1: must be of string type",
    ),
    "keys of a dict": (
        {"type": "dict", "schema": {"a": {"type": "string", "required": True}}},
        {},
        "required",
        "item a: required field",
    ),
    "check_with": (
        {"type": "string", "check_with": lambda field, value, error: error(field, "no good")},
        "b",
        "check_with",
        "no good",
    ),
}


@pytest.mark.parametrize(("rules", "value", "rule", "message"), RULES.values(), ids=RULES)
def test_rules_of_cerberus(rules: dict[str, Any], value: Any, rule: str, message: str) -> None:
    response = post_json(echo({"field": rules}), PATH, {"field": value})
    assert errors_of(response) == [(0, "field", rule)]
    assert message in messages_of(response)[0]


def test_rules_between_fields() -> None:
    client = echo({"a": {"default": 1}, "b": {"default": 1, "dependencies": {"a": [1, 2]}}})
    assert of_json(client, a=2) == [2, 1]
    response = post_json(client, PATH, {"a": 3, "b": 2})
    assert errors_of(response) == [(0, "b", "dependencies")]
    assert messages_of(response) == ["depends on these values: {'a': [1, 2]}"]


class Own(cerberus.Validator):
    """A validator of the application that extends Cerberus's validator."""

    def _validate_even(self, even: bool, field: str, value: Any) -> None:
        """{'type': 'boolean'}"""
        if even and value % 2:
            self._error(field, "must be even")


class OwnOfOurs(Validator):
    def _validate_even(self, even: bool, field: str, value: Any) -> None:
        """{'type': 'boolean'}"""
        if even and value % 2:
            self._error(field, "must be even")


@pytest.mark.parametrize("validator", [Own, OwnOfOurs])
def test_validator_of_the_model(validator: type[Any]) -> None:
    client = echo({"field": {"type": "integer", "even": True}}, validator=validator)
    assert of_json(client, field=4) == [4]
    response = post_json(client, PATH, {"field": 5})
    assert messages_of(response) == ["must be even"]
    for value in (True, float("nan"), 2**64, "4"):
        assert errors_of(post_json(client, PATH, {"field": value})) == [(0, "field", "type")]


def test_custom_type_of_a_validator() -> None:
    class Typed(cerberus.Validator):
        types_mapping = {
            **cerberus.Validator.types_mapping,
            "pair": cerberus.TypeDefinition("pair", (list,), ()),
        }

    client = echo({"field": {"type": "pair"}, "number": {}}, validator=Typed)
    assert of_json(client, field=[1, 2], number=1) == [[1, 2], 1]
    assert errors_of(post_json(client, PATH, {"field": 1, "number": True})) == [
        (0, "field", "type"),
        (0, "number", "type"),
    ]


def test_rules_set_of_cerberus() -> None:
    cerberus.rules_set_registry.add("a-percentage", {"min": 0, "max": 100})
    client = echo({"share": "a-percentage"})
    assert errors_of(post_json(client, PATH, {"share": 101})) == [(0, "share", "max")]


def dtype_of(schema: dict[str, Any], row: dict[str, Any]) -> Any:
    seen: list[Any] = []

    class Seen(KeyValueModel):
        def transform(self, X: Any) -> Any:
            seen.append(X)
            return X

    post_json(serve(Seen(name="echo", pipeline=Echo(), schema=schema)), PATH, row)
    return seen[0].dtype


@pytest.mark.parametrize(
    ("schema", "row", "dtype"),
    [
        ({"a": {}, "b": {}}, {"a": 1, "b": 2}, np.float64),
        ({"a": {"type": "integer"}, "b": {"type": "integer"}}, {"a": 1, "b": 2}, np.int64),
        ({"a": {"type": "integer"}, "b": {}}, {"a": 1, "b": 2}, np.float64),
        ({"a": {"type": "boolean"}}, {"a": True}, np.bool_),
        ({"a": {"type": "boolean"}, "b": {}}, {"a": True, "b": 1}, np.float64),
        ({"a": {"type": "string"}, "b": {}}, {"a": "x", "b": 1}, np.object_),
    ],
)
def test_dtype_of_x(schema: dict[str, Any], row: dict[str, Any], dtype: Any) -> None:
    assert dtype_of(schema, row) == dtype


# The fields on the page of a model


def page(model: Model) -> dict[str, Any]:
    client = serve(model)
    document: dict[str, Any] = client.get("/-/models").get_json()["models"][0]
    return document


SCHEMAS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "number": ({"min": 0, "max": 9.5}, {"type": "number", "minimum": 0, "maximum": 9.5}),
    "integer": ({"type": "integer", "default": 3}, {"type": "integer", "default": 3}),
    "boolean": ({"type": "boolean"}, {"type": "boolean"}),
    "date": ({"type": "date"}, {"type": "string", "format": "date"}),
    "datetime": ({"type": "datetime"}, {"type": "string", "format": "date-time"}),
    "least date": (
        {"type": "date", "min": DAY},
        {"type": "string", "format": "date", "formatMinimum": "2020-02-29"},
    ),
    "several": ({"type": ["number", "string"]}, {"type": ["number", "string"]}),
    "nullable": ({"nullable": True}, {"type": ["number", "null"]}),
    "nullable choice": (
        {"nullable": True, "allowed": ["a"]},
        {"type": ["string", "null"], "enum": ["a", None]},
    ),
    "choice": ({"allowed": ("a", "b")}, {"type": "string", "enum": ["a", "b"]}),
    "text": (
        {"type": "string", "minlength": 1, "maxlength": 9, "regex": "^a+$"},
        {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a+$"},
    ),
    "not empty": ({"type": "string", "empty": False}, {"type": "string", "minLength": 1}),
    "forbidden": (
        {"type": "string", "forbidden": ["a"]},
        {"type": "string", "not": {"enum": ["a"]}},
    ),
    "meta": (
        {"meta": {"label": "Age", "unit": "years", "description": "D", "other": 1}},
        {"type": "number", "title": "Age", "x-unit": "years", "description": "D"},
    ),
    "list": ({"type": "list"}, {"type": "array", "items": {}}),
    "list of choices": (
        {"type": "list", "allowed": ["a"], "minlength": 1},
        {"type": "array", "items": {"enum": ["a"]}, "minItems": 1},
    ),
    "several forms of a text": ({"type": ["date", "string"]}, {"type": "string"}),
    "choice of numpy's numbers": (
        {"type": "integer", "allowed": [np.int64(1), np.int64(2)]},
        {"type": "integer", "enum": [1, 2]},
    ),
    "transform": ({"transform": int, "min": 0}, {"minimum": 0}),
    "function of one's own": (
        {"type": "integer", "coerce": len, "min": 0, "meta": {"label": "Name"}},
        {"title": "Name"},
    ),
}


@pytest.mark.parametrize(("rules", "expected"), SCHEMAS.values(), ids=SCHEMAS)
def test_json_schema(rules: dict[str, Any], expected: dict[str, Any]) -> None:
    fitted = HistGradientBoostingClassifier(max_iter=1).fit(X[:, :1], Y)
    document = page(KeyValueModel(pipeline=fitted, schema={"field": rules}))
    assert document["fields"]["field"] == expected
    is_optional = "default" in rules or rules.get("nullable")
    assert document["required"] == ([] if is_optional else ["field"])


def test_json_schema_of_values(pipeline: Any, line_pipeline: Any) -> None:
    document = page(ValuesModel(pipeline=line_pipeline))
    assert document["required"] == ["values"]
    assert document["fields"]["values"] == {
        "type": "array",
        "items": {"type": "number"},
        "minItems": 3,
        "maxItems": 3,
    }
    rules = [{"name": "a", "min": 0}, {"name": "b"}, {"name": "c"}]
    values = page(ValuesModel(pipeline=line_pipeline, schema=rules))["fields"]["values"]
    assert values["prefixItems"][0] == {"type": "number", "minimum": 0}
    assert values["minItems"] == values["maxItems"] == 3


def test_values_with_a_schema(line_pipeline: Any) -> None:
    rules = [
        {"name": "a", "min": 0},
        {"name": "b", "default": 3},
        {"name": "c", "transform": float},
    ]
    client = serve(ValuesModel(name="line", pipeline=line_pipeline, schema=rules))
    expected = line_pipeline.predict([[1.0, 3.0, 7.2]]).tolist()
    response = post_json(client, "/line/predict", [[1, None, "7.2"]])
    assert predictions(response) == expected
    assert predictions(post_json(client, "/line/predict", {"values": [1, 3, 7.2]})) == expected
    response = client.post("/line/predict", data={"values": "-1,,x"})
    assert errors_of(response) == [(0, "values", "min"), (0, "values", "transform")]


@pytest.mark.parametrize(
    ("rules", "value", "rule"),
    [
        ({"type": "date", "min": date(2026, 1, 1)}, datetime(1999, 1, 1), "type"),
        ({"type": "date", "min": date(2026, 1, 1)}, "1999-01-01", "min"),
        ({"type": "datetime", "min": datetime(2026, 1, 1)}, "1999-01-01T00:00:00Z", "min"),
        ({"type": "datetime", "max": datetime(2026, 1, 1)}, "2999-01-01T00:00:00Z", "max"),
    ],
)
def test_bounds_of_dates_cannot_be_bypassed(rules: Any, value: Any, rule: str) -> None:
    schema = FixedSchema({"a": rules}, Inputs(columns=(InputColumn(name="a", type="string"),)))
    with pytest.raises(InvalidInput) as caught:
        schema.clean(Rows([{"a": value}]))
    assert [error.rule for error in caught.value.errors] == [rule]


class Strict(CerberusValidator):
    """A rule that does not expect None, and a rule with a custom error."""

    def _validate_weekday(self, weekday: int, field: str, value: Any) -> None:
        """{'type': 'integer'}"""
        if value.isoweekday() != weekday:
            self._error(field, ErrorDefinition(0x333, "weekday"))


@pytest.mark.parametrize(
    ("value", "rule", "message"),
    [
        (None, "nullable", "null value not allowed"),
        ("2024-02-29", "weekday", "breaks the rule weekday"),
    ],
)
def test_rules_of_a_custom_validator(value: Any, rule: str, message: str) -> None:
    rules = {"a": {"type": "date", "weekday": 1}}
    inputs = Inputs(columns=(InputColumn(name="a", type="string"),))
    with pytest.raises(InvalidInput) as caught:
        FixedSchema(rules, inputs, validator=Strict).clean(Rows([{"a": value}]))
    assert [(e.rule, e.message) for e in caught.value.errors] == [(rule, message)]
