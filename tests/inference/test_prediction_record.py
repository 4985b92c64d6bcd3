"""The record of a prediction as values for a log, and what objects say of themselves."""

from __future__ import annotations

import json
from datetime import date
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

import flask_skmodels
from flask_skmodels import Artifact, Model, SKModels
from flask_skmodels.inference.json_values import json_value
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, post_json, predictions, serve


def record_of(model: Model, rows: Any) -> dict[str, Any]:
    client = serve(model)
    models = client.application.extensions["skmodels"].models
    record: dict[str, Any] = models.predict(model.name, rows, app=client.application).as_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    return record


def test_record_of_an_array(pipeline: Any) -> None:
    record = record_of(Model(name="iris", pipeline=pipeline, schema=SCHEMA), SETOSA)
    assert record["inputs"] == [list(SETOSA.values())]
    assert record["fields"] == list(FIELDS)
    assert (record["model"], record["rows"], record["outputs"]) == ("iris", 1, [0])


def test_record_of_texts_and_of_sparse_outputs() -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["a cat", "a dog"], [0, 1])
    record = record_of(Model(name="texts", pipeline=texts), [{"text": "a dog"}])
    assert (record["inputs"], record["outputs"]) == (["a dog"], [1])
    encoder = OneHotEncoder().fit(pd.DataFrame({"town": ["Bergen", "Oslo"]}))
    record = record_of(Model(name="towns", pipeline=encoder), {"town": "Oslo"})
    assert (record["inputs"], record["outputs"]) == ([["Oslo"]], [[0.0, 1.0]])


def test_values_that_json_does_not_have() -> None:
    values = [np.float64("nan"), float("inf"), date(2026, 1, 2), pd.NaT, np.int64(5), {1: (None,)}]
    assert json_value(values) == [None, None, "2026-01-02", None, 5, {"1": [None]}]


def test_list_of_texts_for_a_model_of_one_text_field() -> None:
    texts = make_pipeline(CountVectorizer(), MultinomialNB()).fit(["a cat", "a dog"], [0, 1])
    client = serve(Model(name="texts", pipeline=texts))
    assert predictions(post_json(client, "/texts/predict/", ["a dog", "a cat"])) == [1, 0]


def test_objects_say_what_they_are(pipeline: Any, app: Flask, models: SKModels) -> None:
    assert repr(models) == "<SKModels 'skmodels': iris>"
    assert repr(SKModels()) == "<SKModels 'skmodels': no models>"
    assert repr(Model(name="a", pipeline=pipeline)) == "<Model 'a': Pipeline>"
    file = Model(name="a", pipeline=Artifact("a.skops"))
    assert repr(file) == "<Model 'a': Artifact(\"a.skops\")>"
    shown = repr(models.predict("iris", SETOSA, app=app))
    assert shown.startswith("<Prediction: iris, predict of 1 row, ")


def test_version_of_the_library() -> None:
    assert flask_skmodels.__version__ == version("Flask-SKModels")


def test_message_for_people_names_the_choices() -> None:
    encoder = OneHotEncoder().fit(pd.DataFrame({"town": ["Bergen", "Oslo"]}))
    client = serve(Model(name="towns", pipeline=encoder))
    response = post_json(client, "/towns/transform/", [{"town": "Rome"}])
    [error] = response.get_json()["errors"]
    assert (error["message"], error["hint"]) == ("unallowed value", "choose one of Bergen, Oslo")
    assert "Rome" not in response.text
    page = client.post("/towns/", data={"town": "Rome"}, headers={"Accept": "text/html"})
    assert "choose one of Bergen, Oslo" in page.text
