"""The exceptions, as a caller in the same process sees them."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.exceptions import HTTPException

import flask_skmodels
from flask_skmodels import (
    ConfigurationError,
    InputError,
    InvalidInput,
    ModelError,
    RejectedRows,
    SKModels,
    SKModelsError,
    TooManyRows,
    UnknownModel,
)
from tests.support.helpers import SETOSA


@pytest.mark.parametrize(
    "error",
    [ConfigurationError, InvalidInput, ModelError, RejectedRows, TooManyRows, UnknownModel],
)
def test_tree(error: type[Exception]) -> None:
    assert issubclass(error, SKModelsError)
    assert not issubclass(error, HTTPException)
    assert issubclass(error, ValueError) is (error in {InvalidInput, RejectedRows, TooManyRows})
    assert issubclass(error, KeyError) is (error is UnknownModel)


def test_package_exports_what_it_names() -> None:
    assert all(hasattr(flask_skmodels, name) for name in flask_skmodels.__all__)
    assert list(flask_skmodels.__all__) == sorted(flask_skmodels.__all__)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            InputError(0, "age", "min", "min value is 0"),
            "row 0, field age, rule min: min value is 0",
        ),
        (InputError(3, None, "items", "too few"), "row 3, rule items: too few"),
        (InputError(None, "age", "unique", "twice"), "field age, rule unique: twice"),
        (InputError(None, None, "json", "broken"), "rule json: broken"),
    ],
)
def test_error_as_text(error: InputError, text: str) -> None:
    assert str(error) == text
    assert str(InvalidInput([error, error])) == f"{text}; {text}"
    assert list(error.as_dict()) == ["row", "field", "rule", "message"]


def test_invalid_input_of_a_caller(app: Flask, models: SKModels) -> None:
    with pytest.raises(ValueError, match=r"^row 0, field petal_width, rule type: ") as caught:
        models.predict("iris", SETOSA | {"petal_width": "x"}, app=app)
    assert isinstance(caught.value, InvalidInput)
    assert caught.value.error_count == 1


def test_errors_of_a_caller_are_kept_up_to_100(app: Flask, models: SKModels) -> None:
    with pytest.raises(InvalidInput) as caught:
        models.predict("iris", [[1, 2, 3, "x"]] * 150, app=app)
    assert len(caught.value.errors) == 100
    assert (caught.value.error_count, caught.value.is_complete) == (100, False)
    assert InvalidInput(caught.value.errors * 2).error_count == 200


def test_too_many_rows() -> None:
    error = TooManyRows(5, 3)
    assert error.errors[0].rule == "max_rows"
    assert str(error) == "rule max_rows: at most 3 rows are allowed, 5 were sent"


@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (RejectedRows.of_rows([4]), "the estimator rejects 1 row"),
        (RejectedRows.of_rows([4, 7]), "the estimator rejects 2 rows"),
        (RejectedRows.of_rows([4, 7], is_complete=False), "the estimator rejects at least 2 rows"),
        (RejectedRows.of_rows(range(200)), "the estimator rejects at least 100 rows"),
        (RejectedRows.of_request("estimator", "no"), "the estimator rejects the rows"),
        (InvalidInput.of_request("json", "no"), "the input has 1 error"),
        (InvalidInput([InputError(0, "a", "min", "no")] * 2), "the input has 2 errors"),
        (
            InvalidInput([InputError(0, "a", "min", "no")] * 100, is_complete=False),
            "the input has at least 100 errors",
        ),
    ],
)
def test_summary(error: InvalidInput, summary: str) -> None:
    assert error.summary == summary
    assert error.is_complete is ("least" not in summary or error.error_count == 200)
