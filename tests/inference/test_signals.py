"""The signals: who is called, with what, and what a receiver that raises does."""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from blinker import NamedSignal
from flask import Flask, abort
from flask.testing import FlaskClient
from werkzeug.exceptions import Forbidden

from flask_skmodels import (
    InputError,
    InvalidInput,
    KeyValueModel,
    Prediction,
    SKModels,
    after_prediction,
    before_prediction,
    input_rejected,
    prediction_failed,
    prediction_stopped,
)
from flask_skmodels.testing import Recorder, record_signals
from tests.support.helpers import SCHEMA, SETOSA, hooked, line, post_bytes, post_json, problem

PATH = "/iris/predict/"
SIGNALS = (
    *(before_prediction, after_prediction, prediction_stopped, prediction_failed, input_rejected),
)


@pytest.fixture
def sent() -> Iterator[Recorder]:
    """All that is sent in a test."""
    with record_signals() as recorder:
        yield recorder


def test_names_and_documentation() -> None:
    names = ("before", "after", "stopped", "failed", "rejected")
    for signal, name in zip(SIGNALS, names, strict=True):
        assert name in signal.name
        assert signal.__doc__ is not None
        assert ":param model:" in signal.__doc__


def test_prediction_sends_before_and_after(
    app: Flask, client: FlaskClient, models: SKModels, sent: Recorder
) -> None:
    client.post(PATH, data=SETOSA, headers={"X-Request-ID": "mine"})
    assert sent.names == ["before-prediction", "after-prediction"]
    for each in sent:
        assert each.sender is app
        assert set(each.arguments) == {"model", "prediction"}
        assert each["model"] is models["iris"]
        assert each["prediction"].request_id == "mine"
    assert sent[0]["prediction"] is sent[1]["prediction"]


def test_outputs_are_there_after_and_not_before(client: FlaskClient) -> None:
    seen: list[Any] = []

    def receiver(sender: Flask, prediction: Prediction, **extra: Any) -> None:
        seen.append(prediction.outputs)

    before_prediction.connect(receiver)
    after_prediction.connect(receiver)
    client.post(PATH, data=SETOSA)
    assert seen[0] is None
    assert seen[1].tolist() == [0]


def test_receivers_of_any_sender_and_of_the_application(app: Flask, models: SKModels) -> None:
    seen: list[str] = []

    def of_any(sender: Flask, **extra: Any) -> None:
        seen.append("any")

    def of_app(sender: Flask, **extra: Any) -> None:
        seen.append("app")

    def predicted() -> list[str]:
        seen.clear()
        models.predict("iris", SETOSA, app=app)
        return sorted(seen)

    assert predicted() == []
    after_prediction.connect(of_app, app)
    assert predicted() == ["app"]
    after_prediction.connect(of_any)
    assert predicted() == ["any", "app"]
    after_prediction.disconnect(of_app, app)
    assert predicted() == ["any"]
    del of_any  # blinker refers to it weakly
    gc.collect()
    assert predicted() == []


def test_receiver_without_the_listeners(pipeline: Any) -> None:
    app = Flask("bare")
    app.config.update({f"SKMODELS_{key}": False for key in ("METRICS", "TRACING", "PAGES")})
    models = SKModels(app)
    models.add("iris", pipeline, schema=SCHEMA)
    seen: list[Any] = []

    class Counter:
        def count(self, sender: Flask, prediction: Prediction, **extra: Any) -> None:
            seen.append(prediction.rows)

    counter = Counter()
    after_prediction.connect(counter.count, app)
    models.predict("iris", SETOSA, app=app)
    del counter
    gc.collect()
    models.predict("iris", SETOSA, app=app)
    assert seen == [1]


def test_failure_of_the_estimator(app: Flask, pipeline: Any, sent: Recorder) -> None:
    failure = ValueError("x")

    def hook(X: Any) -> Any:
        raise failure

    models = SKModels(name="other", url_prefix="/other")
    models.init_app(app)
    model = models.register(hooked(pipeline, hook))
    app.test_client().post("/other/hooked/predict", data=SETOSA)
    assert sent.names == ["before-prediction", "prediction-failed"]
    sender, arguments = sent[1].sender, sent[1].arguments
    assert sender is app
    assert set(arguments) == {"model", "prediction", "exception"}
    assert (arguments["model"], arguments["exception"]) == (model, failure)
    assert arguments["prediction"].outputs is None
    assert arguments["prediction"].inputs.shape == (1, 4)
    assert arguments["prediction"].seconds > 0


def test_outputs_of_the_wrong_length_are_a_failure(
    app: Flask, pipeline: Any, sent: Recorder
) -> None:
    models = SKModels(app, name="other", url_prefix="/other")
    models.register(hooked(pipeline, lambda X: [1, 2]))
    app.test_client().post("/other/hooked/predict", data=SETOSA)
    assert sent.names == ["before-prediction", "prediction-failed"]
    assert "one entry for each of 1 rows" in str(sent[1]["exception"])


@pytest.mark.parametrize(
    ("body", "content_type", "rule"),
    [
        (b"{}", "application/json", "required"),
        (b"[", "application/json", "json"),
        (b"[]", "application/json", "empty"),
        (b"5", "application/json", "type"),
        (b"a=%ff", "application/x-www-form-urlencoded", "form"),
    ],
)
def test_rejected_input(
    app: Flask, models: SKModels, sent: Recorder, *, body: bytes, content_type: str, rule: str
) -> None:
    response = post_bytes(app.test_client(), "/iris/predict_proba", body, content_type)
    assert sent.names == ["input-rejected"]
    sender, arguments = sent[0].sender, sent[0].arguments
    assert sender is app
    assert set(arguments) == {"model", "version", "method", "errors", "request_id", "prediction"}
    assert arguments["prediction"] is None
    assert arguments["model"] is models["iris"]
    assert arguments["method"] == "predict_proba"
    assert arguments["request_id"] == response.headers["X-Request-ID"]
    assert isinstance(arguments["errors"], tuple)
    assert all(isinstance(error, InputError) for error in arguments["errors"])
    assert arguments["errors"][0].rule == rule
    assert [e.as_dict() for e in arguments["errors"]] == problem(response, 400)["errors"]


def test_rejected_input_of_too_many_rows(pipeline: Any, sent: Recorder) -> None:
    app = Flask("host")
    app.config["SKMODELS_MAX_ROWS"] = 1
    SKModels(app).add("iris", pipeline, schema=SCHEMA)
    post_json(app.test_client(), PATH, [SETOSA] * 2)
    assert sent.names == ["input-rejected"]
    assert sent[0]["errors"][0].rule == "max_rows"


def test_rejected_input_tells_100_errors(client: FlaskClient, sent: Recorder) -> None:
    post_json(client, PATH, [None] * 250)
    assert len(sent[0]["errors"]) == 100


def test_refused_media_types_are_not_input(client: FlaskClient, sent: Recorder) -> None:
    assert post_bytes(client, PATH, b"x", "application/xml").status_code == 415
    assert post_json(client, PATH, SETOSA, "text/html").status_code == 406
    assert len(sent) == 0


def test_receivers_of_one_application_alone(models: SKModels) -> None:
    first, second = Flask("first"), Flask("second")
    models.init_app(first)
    models.init_app(second)
    heard: list[Any] = []

    def receiver(sender: Any, **extra: Any) -> None:
        heard.append(sender)

    after_prediction.connect(receiver, first)
    second.test_client().post(PATH, data=SETOSA)
    assert heard == []
    first.test_client().post(PATH, data=SETOSA)
    models.predict("iris", SETOSA, app=first)
    models.predict("iris", SETOSA, app=second)
    with first.app_context():
        models.predict("iris", SETOSA)
    assert len(heard) == 3
    assert all(sender is first for sender in heard)


class Broken(Exception):
    pass


def connect_three(signal: NamedSignal, failure: Exception) -> tuple[list[str], list[Any]]:
    """Connect three receivers of which two raise; return what is heard, and them to be kept."""
    heard: list[str] = []

    def one(sender: Any, **extra: Any) -> None:
        heard.append("raises")
        raise failure

    def two(sender: Any, **extra: Any) -> None:
        heard.append("raises too")
        raise failure

    def three(sender: Any, **extra: Any) -> None:
        heard.append("runs")

    receivers = [one, two, three]
    for receiver in receivers:
        signal.connect(receiver)
    return heard, receivers


ALL_THREE = ["raises", "raises too", "runs"]


def send(app: Flask, signal: NamedSignal, pipeline: Any) -> int:
    """Send what makes a signal be sent, and return the status of the answer."""
    client = app.test_client()
    if signal is prediction_failed:
        SKModels(app, name="other", url_prefix="/other").register(hooked(pipeline, lambda X: None))
        return client.post("/other/hooked/predict", data=SETOSA).status_code
    return client.post(PATH, data={} if signal is input_rejected else SETOSA).status_code


@pytest.mark.parametrize(
    ("signal", "status"), [(after_prediction, 200), (prediction_failed, 500), (input_rejected, 400)]
)
def test_receiver_that_raises_is_logged(
    app: Flask,
    pipeline: Any,
    caplog: pytest.LogCaptureFixture,
    *,
    signal: NamedSignal,
    status: int,
) -> None:
    heard, _receivers = connect_three(signal, Broken("x"))
    with caplog.at_level(logging.ERROR):
        assert send(app, signal, pipeline) == status
    assert sorted(heard) == ALL_THREE
    told = [r for r in caplog.records if r.getMessage() == f"a receiver of {signal.name} failed"]
    assert len(told) == 2
    assert all(record.name == app.logger.name for record in told)
    assert all(r.exc_info is not None and r.exc_info[0] is Broken for r in told)


@pytest.mark.parametrize("key", ["TESTING", "DEBUG"])
def test_receiver_that_raises_is_raised_in_tests_and_debug(
    app: Flask, models: SKModels, key: str
) -> None:
    app.config[key] = True
    heard, _receivers = connect_three(after_prediction, Broken("x"))
    with pytest.raises(Broken):
        models.predict("iris", SETOSA, app=app)
    with pytest.raises(Broken):
        app.test_client().post(PATH, data=SETOSA)
    assert sorted(heard) == sorted(ALL_THREE * 2)


@pytest.mark.parametrize("testing", [False, True])
def test_before_prediction_stops(
    app: Flask, client: FlaskClient, sent: Recorder, *, testing: bool
) -> None:
    app.testing = testing
    heard: list[str] = []

    def refuse(sender: Any, **extra: Any) -> None:
        heard.append("refuses")
        abort(403, "Not for you.")

    def other(sender: Any, **extra: Any) -> None:
        heard.append("runs")

    before_prediction.connect(refuse)
    before_prediction.connect(other)
    response = client.post(PATH, data=SETOSA)
    document = problem(response, 403)
    assert (document["title"], document["detail"]) == ("Forbidden", "Not for you.")
    assert response.headers["X-Request-ID"]
    assert sorted(heard) == ["refuses", "runs"]
    assert sent.names == ["before-prediction", "prediction-stopped"]
    assert set(sent[1].arguments) == {"model", "prediction", "exception"}
    assert sent[1]["prediction"] is sent[0]["prediction"]
    assert isinstance(sent[1]["exception"], Forbidden)


def test_before_prediction_that_fails(app: Flask, models: SKModels, client: FlaskClient) -> None:
    heard, _receivers = connect_three(before_prediction, Broken("s3cr3t"))
    response = client.post(PATH, data=SETOSA)
    assert problem(response, 500)["detail"] == "the prediction failed"
    assert "s3cr3t" not in response.text
    with pytest.raises(Broken):
        models.predict("iris", SETOSA, app=app)
    assert sorted(heard) == sorted(ALL_THREE * 2)


def test_before_prediction_may_reject_the_input(client: FlaskClient, sent: Recorder) -> None:
    def receiver(sender: Any, **extra: Any) -> None:
        raise InvalidInput([InputError(0, "petal_width", "taste", "too wide")])

    before_prediction.connect(receiver)
    assert problem(client.post(PATH, data=SETOSA), 400)["errors"][0]["rule"] == "taste"
    assert sent.names == ["before-prediction", "prediction-stopped"]


def test_model_may_reject_the_input(
    app: Flask, models: SKModels, pipeline: Any, sent: Recorder
) -> None:
    def hook(X: Any) -> Any:
        raise InvalidInput([InputError(0, "petal_width", "taste", "too wide")])

    model = models.register(hooked(pipeline, hook))
    problem(app.test_client().post("/hooked/predict", data=SETOSA), 400)
    assert sent.names == ["before-prediction", "input-rejected"]
    assert sent[1]["model"] is model
    assert sent[1]["prediction"] is sent[0]["prediction"]
    assert sent[1]["errors"][0].rule == "taste"


def test_receiver_may_ask_another_model(app: Flask, models: SKModels, pipeline: Any) -> None:
    models.add("shadow", pipeline, schema=SCHEMA)
    shadows: list[int] = []

    def receiver(sender: Flask, model: KeyValueModel, **extra: Any) -> None:
        if model is models["iris"]:
            shadows.append(int(models.predict("shadow", SETOSA).outputs[0]))

    after_prediction.connect(receiver, app)
    assert line(app.test_client().post(PATH, data=SETOSA)) == "0"
    assert shadows == [0]
