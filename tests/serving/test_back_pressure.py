"""Too many calls at the same time: which run, which wait, and which are refused."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from io import BytesIO
from math import inf
from time import monotonic
from typing import Any

import numpy as np
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_skmodels import (
    ConfigurationError,
    ModelError,
    Overloaded,
    SKModels,
    SKModelsError,
    TimedOut,
    after_prediction,
    before_prediction,
)
from flask_skmodels.config import DIALECTS
from flask_skmodels.testing import record_signals
from tests.support.gate import WAIT, Gate, gate, until
from tests.support.helpers import JSON, problem
from tests.support.skips import FORK

PATH = "/held/predict/"
SHORT = 0.2  # seconds that calls may wait, in tests that wait so long


class Held:
    """An application with a model whose calls are held until :meth:`open`.

    :param attributes: attributes of the model
    :param config: configuration of the application
    """

    def __init__(self, attributes: dict[str, Any], **config: Any) -> None:
        self.gate = gate()
        self.other = gate()
        self.models = SKModels()
        options = {"schema": {"x": {}}, "engine": "sklearn", "batching": False} | attributes
        self.models.add("held", self.gate, **options)
        self.models.add("other", self.other, schema={"x": {}}, engine="sklearn", batching=False)
        self.app = Flask("held")
        self.app.config.update(config)
        self.models.init_app(self.app)
        self.gate.close()

    def post(self, number: float, path: str = PATH) -> TestResponse:
        return self.app.test_client().post(path, json={"x": number})

    @contextmanager
    def busy(self, *numbers: float) -> Iterator[list[Future[TestResponse]]]:
        """Post numbers one after the other; the first is in progress and the others wait."""
        with ThreadPoolExecutor(len(numbers)) as pool:
            posted = [pool.submit(self.post, numbers[0])]
            try:
                assert self.gate.entered_.wait(WAIT)
                for number in numbers[1:]:
                    waiting = self.waiting()
                    posted.append(pool.submit(self.post, number))
                    until(lambda waiting=waiting: self.waiting() > waiting)  # type: ignore[misc]
                yield posted
            finally:
                self.gate.opened_.set()

    def waiting(self) -> int:
        deployment = self.app.extensions["skmodels"].deployments["held"]
        version = deployment.versions.live
        queues = [len(limit._queue) for limit in deployment.limits]
        return sum(queues) + len(version.combiner("predict")._queue)


def let_pass(pipeline: Gate) -> threading.Event:
    """Hold only the calls that are in progress; return the event that they wait for."""
    held, opened = pipeline.opened_, threading.Event()
    opened.set()
    pipeline.opened_ = opened
    return held


def doubled(response: TestResponse) -> float:
    assert response.status_code == 200, response.text
    value: float = response.get_json()["predictions"][0]
    return value


# At once


def test_call_beyond_the_limits_is_refused_at_once() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 1})
    with held.busy(1.0, 2.0) as posted:
        started = monotonic()
        refused = held.post(3.0)
        assert monotonic() - started < 5
        assert refused.headers["Retry-After"] == "1"
        message = "too many predictions are in progress: try again later"
        assert problem(refused, 503)["detail"] == message
        assert held.gate.calls_ == [1]
    assert [doubled(each.result(WAIT)) for each in posted] == [2.0, 4.0]
    assert doubled(held.post(3.0)) == 6.0


def test_nothing_is_refused_without_limits() -> None:
    held = Held({})
    with ThreadPoolExecutor(9) as pool:
        posted = [pool.submit(held.post, float(n)) for n in range(9)]
        until(lambda: len(held.gate.calls_) == 9)
        held.gate.opened_.set()
        assert [doubled(each.result(WAIT)) for each in posted] == [2.0 * n for n in range(9)]


def test_calls_wait_without_a_limit_on_the_queue() -> None:
    held = Held({"max_concurrency": 1})
    with held.busy(1.0, 2.0, 3.0, 4.0) as posted:
        assert held.gate.calls_ == [1]
    assert [doubled(each.result(WAIT)) for each in posted] == [2.0, 4.0, 6.0, 8.0]


def test_calls_run_in_the_order_in_which_they_came() -> None:
    held = Held({"max_concurrency": 1})
    order: list[float] = []
    after_prediction.connect(
        lambda app, prediction, **extra: order.append(float(prediction.X[0, 0])), weak=False
    )
    with held.busy(1.0, 2.0, 3.0, 4.0, 5.0):
        pass
    assert order == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_limit_of_the_process_is_for_all_models() -> None:
    held = Held({}, SKMODELS_MAX_CONCURRENCY=1, SKMODELS_MAX_QUEUE=0)
    with held.busy(1.0) as posted:
        problem(held.post(1.0, "/other/predict/"), 503)
    assert doubled(posted[0].result(WAIT)) == 2.0
    assert doubled(held.post(1.0, "/other/predict/")) == 2.0


def test_calls_that_wait_for_their_model_do_not_keep_others_from_running() -> None:
    held = Held({"max_concurrency": 1}, SKMODELS_MAX_CONCURRENCY=2, SKMODELS_MAX_QUEUE=0)
    with held.busy(1.0, 2.0, 3.0) as posted:
        assert doubled(held.post(4.0, "/other/predict/")) == 8.0
    assert [doubled(each.result(WAIT)) for each in posted] == [2.0, 4.0, 6.0]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/models/held:predict", {"instances": [[1.0]]}),
        (
            "/v2/models/held/infer",
            {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [1.0]}]},
        ),
        ("/invocations", {"inputs": [[1.0]]}),
        ("/held/", {"x": 1.0}),
    ],
)
def test_other_protocols_refuse_too(path: str, body: Any) -> None:
    held = Held(
        {"max_concurrency": 1, "max_queue": 0},
        SKMODELS_DIALECTS=DIALECTS,
        SKMODELS_MLFLOW_MODEL="held",
    )
    client = held.app.test_client()
    with held.busy(1.0):
        response = client.post(path, json=body)
    assert response.status_code == 503, response.text
    assert response.headers["Retry-After"] == "1"
    assert client.post(path, json=body).status_code == 200


def test_call_in_process_is_refused_too() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0})
    with held.busy(1.0), pytest.raises(Overloaded) as caught:
        held.models.predict("held", {"x": 1.0}, app=held.app)
    assert isinstance(caught.value, SKModelsError)
    assert caught.value.retry_after == 1


def test_place_is_free_again_after_an_error() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0})
    held.gate.opened_.set()
    for _ in range(3):
        assert held.app.test_client().post(PATH, json={"x": "a"}).status_code == 400
    held.gate.raises_on = 7.0
    for _ in range(3):
        assert held.post(7.0).status_code == 500
    assert doubled(held.post(1.0)) == 2.0


def test_receiver_may_predict_with_the_model_that_it_is_called_for() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0}, SKMODELS_MAX_CONCURRENCY=1)
    held.gate.opened_.set()
    seen: list[float] = []

    def ask_again(app: Flask, prediction: Any, **extra: Any) -> None:
        if not seen:
            seen.append(0.0)
            seen.extend(held.models.predict("held", {"x": 5.0}).outputs)
            seen.extend(held.models.predict("other", {"x": 6.0}).outputs)

    before_prediction.connect(ask_again, held.app)
    assert doubled(held.post(1.0)) == 2.0
    assert seen == [0.0, 10.0, 12.0]
    assert doubled(held.post(1.0)) == 2.0


class SlowBody(BytesIO):
    """A body that its client sends only after a while."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body)
        self.asked, self.sent = threading.Event(), threading.Event()

    def read(self, size: int | None = -1) -> bytes:
        self.asked.set()
        assert self.sent.wait(WAIT)
        return super().read(size)


def test_slow_client_does_not_keep_others_from_running() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0})
    held.gate.opened_.set()
    body = SlowBody(b'{"x": 1}')

    def post_slowly() -> TestResponse:
        client = held.app.test_client()
        return client.post(PATH, input_stream=body, content_length=8, content_type=JSON)

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(post_slowly)
        assert body.asked.wait(WAIT)
        assert doubled(held.post(2.0)) == 4.0
        body.sent.set()
        assert doubled(slow.result(WAIT)) == 2.0


# After a wait


def test_call_that_waits_too_long_gets_504() -> None:
    held = Held({"max_concurrency": 1, "timeout": SHORT})
    with held.busy(1.0) as posted:
        late = held.post(2.0)
        document = problem(late, 504)
        assert "Retry-After" not in late.headers
        assert document["detail"] == (
            "the prediction has waited too long for others: try again later"
        )
    assert doubled(posted[0].result(WAIT)) == 2.0
    assert doubled(held.post(2.0)) == 4.0
    assert held.gate.calls_ == [1, 1]


def test_timeout_of_the_configuration_is_that_of_models_without_one() -> None:
    held = Held({"max_concurrency": 1}, SKMODELS_TIMEOUT=SHORT)
    with held.busy(1.0):
        problem(held.post(2.0), 504)
    deployments = held.app.extensions["skmodels"].deployments
    assert deployments["other"].timeout == SHORT
    assert Held({"timeout": 5}).app.extensions["skmodels"].deployments["held"].timeout == 5
    assert Held({}).app.extensions["skmodels"].deployments["held"].timeout == 30


def test_wait_is_in_the_record_and_not_in_the_other_times() -> None:
    held = Held({"max_concurrency": 1})
    with record_signals(held.app) as signals:
        with held.busy(1.0, 2.0):
            threading.Event().wait(0.1)
        first, second = sorted(signals.predictions, key=lambda each: float(each.inputs[0, 0]))
    assert first.queue < 0.05 < second.queue
    assert second.decode < 0.05
    assert second.seconds < 0.05


# Combined calls


def test_row_that_hangs_does_not_stop_the_others_for_ever() -> None:
    held = Held({"batching": True, "timeout": SHORT})
    with held.busy(1.0) as posted:
        first = let_pass(held.gate)
        started = monotonic()
        assert doubled(held.post(2.0)) == 4.0  # after the first is given up
        assert monotonic() - started > SHORT / 2
        started = monotonic()
        assert [doubled(held.post(float(n))) for n in range(5)] == [0.0, 2.0, 4.0, 6.0, 8.0]
        assert monotonic() - started < SHORT * 5
        assert not posted[0].done()
        first.set()
        assert doubled(posted[0].result(WAIT)) == 2.0
        assert doubled(held.post(3.0)) == 6.0


@contextmanager
def combined_with_one_that_hangs(held: Held) -> Iterator[TestResponse]:
    """Combine two calls that hang; yield the response to the one that waits for the other."""
    with held.busy(1.0, 2.0, 3.0) as posted:
        first, held.gate.opened_ = held.gate.opened_, threading.Event()
        first.set()
        assert doubled(posted[0].result(WAIT)) == 2.0
        until(lambda: held.gate.calls_ == [1, 2])
        second = let_pass(held.gate)
        until(lambda: any(each.done() for each in posted[1:]))
        late = next(each for each in posted[1:] if each.done())
        yield late.result(WAIT)
        second.set()
        leader = next(each for each in posted[1:] if each is not late)
        assert doubled(leader.result(WAIT)) in {4.0, 6.0}


def test_call_that_is_combined_with_one_that_hangs_gets_504() -> None:
    held = Held({"batching": True, "timeout": 1.0})
    with combined_with_one_that_hangs(held) as late:
        problem(late, 504)
        assert doubled(held.post(4.0)) == 8.0
    assert doubled(held.post(5.0)) == 10.0


@pytest.mark.parametrize("is_combined", [True, False])
def test_rows_that_hang_keep_one_thread_of_the_server(*, is_combined: bool) -> None:
    held = Held({"batching": is_combined, "timeout": SHORT})
    with ThreadPoolExecutor(8) as pool:
        hanging = [pool.submit(held.post, 1.0) for _ in range(8)]
        try:
            until(lambda: sum(each.done() for each in hanging) == 7)
            statuses = {each.result().status_code for each in hanging if each.done()}
            assert statuses <= {503, 504}
            assert doubled(held.post(3.0, "/other/predict/")) == 6.0
            threading.Event().wait(SHORT)
            assert sum(each.done() for each in hanging) == 7
        finally:
            held.gate.opened_.set()
        assert [each.result(WAIT).status_code for each in hanging].count(200) == 1
        until(lambda: held.post(2.0).status_code == 200)


def test_call_beside_one_that_hangs_gets_its_result_in_another_thread() -> None:
    held = Held({})
    threads: list[int] = []
    original = held.gate.predict

    def predict(X: Any) -> Any:
        threads.append(threading.get_ident())
        return original(X)

    held.gate.predict = predict  # type: ignore[method-assign]
    with held.busy(1.0) as posted:
        first = let_pass(held.gate)
        held.gate.raises_on = 5.0
        assert doubled(held.post(2.0)) == 4.0
        assert held.post(5.0).status_code == 500
        assert held.post(-5.0).status_code == 200
        assert len(threads) == 4
        assert threading.get_ident() not in threads
        first.set()
        assert doubled(posted[0].result(WAIT)) == 2.0
    threads.clear()
    assert doubled(held.post(3.0)) == 6.0
    assert threads == [threading.get_ident()]


def test_call_that_takes_too_long_beside_another_gets_504() -> None:
    held = Held({"timeout": SHORT})
    with held.busy(1.0), record_signals(held.app) as signals:
        late = held.post(2.0)
        assert problem(late, 504)["detail"] == "the prediction takes too long: try again later"
        assert isinstance(signals["prediction-failed"][0]["exception"], TimedOut)
    check_timeout_is_counted(held)


def test_call_alone_may_take_longer_than_the_timeout() -> None:
    held = Held({"timeout": SHORT})
    with held.busy(1.0) as posted:
        threading.Event().wait(SHORT * 2)
        assert not posted[0].done()
    assert doubled(posted[0].result(WAIT)) == 2.0


def test_calls_without_a_timeout_and_in_process_may_take_any_time() -> None:
    for attributes, config in (({}, {"SKMODELS_TIMEOUT": None}), ({"timeout": SHORT}, {})):
        held = Held(attributes, **config)
        predict = partial(held.models.predict, "held", {"x": 2.0}, app=held.app)
        second = predict if attributes else partial(held.post, 2.0)
        with held.busy(1.0), ThreadPoolExecutor(1) as pool:
            slow = pool.submit(second)
            threading.Event().wait(SHORT * 2)
            assert not slow.done()
            held.gate.opened_.set()
            slow.result(WAIT)


def test_place_of_a_call_that_hangs_is_free_after_the_timeout() -> None:
    held = Held({"max_concurrency": 2, "max_queue": 0, "timeout": SHORT})
    with held.busy(1.0):
        with ThreadPoolExecutor(1) as pool:
            beside = pool.submit(held.post, 2.0)
            until(lambda: len(held.gate.calls_) == 2)
            problem(held.post(3.0), 503)
            problem(beside.result(WAIT), 504)
        let_pass(held.gate).set()
        assert doubled(held.post(3.0)) == 6.0


def test_search_for_rejected_rows_does_not_hang() -> None:
    held = Held({"timeout": SHORT})
    original = held.gate.predict

    def predict(X: Any) -> Any:
        if 7.0 in np.asarray(X):
            raise ValueError("not 7")
        return original(X)

    held.gate.predict = predict  # type: ignore[method-assign]
    with held.busy(1.0):
        response = held.app.test_client().post(PATH, json=[{"x": 7.0}, {"x": 8.0}])
        assert response.status_code == 500


def test_rows_that_hang_take_four_threads_and_no_more() -> None:
    held = Held({"batching": True, "timeout": SHORT})
    with ThreadPoolExecutor(16) as pool, record_signals(held.app) as signals:
        hanging = []
        for _ in range(8):
            hanging.append(pool.submit(held.post, 1.0))
            threading.Event().wait(SHORT * 1.2)
        try:
            until(lambda: sum(not each.done() for each in hanging) == 1)
            started = monotonic()
            refused = held.post(2.0)
            assert monotonic() - started < SHORT
            assert problem(refused, 503)["detail"] == (
                "predictions of this model do not return: try again later"
            )
            assert refused.headers["Retry-After"] == "30"
            assert len(held.gate.calls_) == 4
            assert isinstance(signals["prediction-failed"][-1]["exception"], Overloaded)
            assert doubled(held.post(3.0, "/other/predict/")) == 6.0
            labels = 'method="predict",model="held",reason="busy",version=""'
            text = held.app.test_client().get("/-/metrics").text
            assert f'skmodels_refusals_total{{extension="skmodels",{labels}}}' in text
        finally:
            held.gate.opened_.set()
        assert [each.result(WAIT).status_code for each in hanging].count(200) == 1
        until(lambda: held.post(4.0).status_code == 200)


@FORK
def test_process_forked_during_a_call_does_not_wait_for_it() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0})
    with held.busy(1.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
            child = os.fork()
        if not child:
            signal.alarm(WAIT)
            let_pass(held.gate)
            outputs = held.models.predict("held", {"x": 2.0}, app=held.app).outputs
            os._exit(0 if outputs.tolist() == [4.0] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# What is sent and documented


def test_refusals_are_sent_and_counted() -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0, "timeout": SHORT})
    with record_signals(held.app) as signals:
        with held.busy(1.0):
            refused = held.post(2.0)
        assert signals.names == ["before-prediction", "prediction-refused", "after-prediction"]
        sent = signals["prediction-refused"][0]
        assert sent["model"].name == "held"
        assert (sent["method"], sent["version"]) == ("predict", None)
        assert sent["request_id"] == refused.headers["X-Request-ID"]
        assert isinstance(sent["exception"], Overloaded)
    counted = 'skmodels_refusals_total{extension="skmodels",method="predict",model="held"'
    text = held.app.test_client().get("/-/metrics").text
    assert f'{counted},reason="busy",version=""}} 1.0' in text
    assert 'skmodels_failures_total{extension="skmodels",method="predict",model="held"' in text


def test_timeouts_are_sent_and_counted() -> None:
    held = Held({"max_concurrency": 1, "timeout": SHORT})
    with record_signals(held.app) as signals:
        with held.busy(1.0):
            problem(held.post(2.0), 504)
        assert isinstance(signals["prediction-refused"][0]["exception"], TimedOut)
    check_timeout_is_counted(held)


def test_timeouts_of_combined_calls_are_sent_and_counted() -> None:
    held = Held({"batching": True, "timeout": 1.0})
    with record_signals(held.app) as signals:
        with combined_with_one_that_hangs(held) as late:
            problem(late, 504)
        assert isinstance(signals["prediction-failed"][0]["exception"], TimedOut)
    check_timeout_is_counted(held)


def check_timeout_is_counted(held: Held) -> None:
    text = held.app.test_client().get("/-/metrics").text
    labels = 'extension="skmodels",method="predict",model="held"'
    assert f'skmodels_refusals_total{{{labels},reason="timeout",version=""}} 1.0' in text
    assert f'skmodels_failures_total{{{labels},version=""}} 0.0' in text
    assert 'skmodels_predictions_in_flight{extension="skmodels",model="held"} 0.0' in text


def test_refusals_are_logged_as_predictions_are(caplog: pytest.LogCaptureFixture) -> None:
    held = Held({"max_concurrency": 1, "max_queue": 0}, SKMODELS_LOG_PREDICTIONS=True)
    with held.busy(1.0):
        held.post(2.0)
    lines = [record.getMessage() for record in caplog.records]
    assert any('"event":"refusal"' in line and '"error":"Overloaded"' in line for line in lines)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_statuses_are_in_the_api_document() -> None:
    held = Held({"max_concurrency": 1})
    document = held.models.openapi(held.app)
    responses = document["paths"]["/held/predict/"]["post"]["responses"]
    assert {"503", "504"} <= set(responses)
    responses = document["paths"]["/other/predict/"]["post"]["responses"]
    assert {"503", "504"} <= set(responses)
    headers = document["components"]["responses"]["skmodels.503"]["headers"]
    assert "Retry-After" in headers
    endless = Held({}, SKMODELS_TIMEOUT=None)
    document = endless.models.openapi(endless.app)
    responses = document["paths"]["/held/predict/"]["post"]["responses"]
    assert set(responses).isdisjoint({"503", "504"})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"max_concurrency": 0}, "max_concurrency must be None or an integer of at least 1"),
        ({"max_concurrency": 1.5}, "max_concurrency must be"),
        ({"max_concurrency": True}, "max_concurrency must be"),
        ({"max_concurrency": 1, "max_queue": -1}, "max_queue must be None or an integer of at"),
        (
            {"max_queue": 1},
            "max_queue has no effect without max_concurrency: set max_concurrency as well",
        ),
        ({"timeout": 0}, "timeout must be None or a number of seconds above 0"),
        ({"timeout": "1"}, "timeout must be"),
        ({"timeout": inf}, "timeout must be None or a number of seconds above 0, not inf"),
    ],
)
def test_attributes_that_are_not_valid(attributes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=f"^model 'held': {message}"):
        SKModels().add("held", gate(), schema={"x": {}}, **attributes)


def test_queue_of_the_process_needs_its_concurrency() -> None:
    app = Flask("queue")
    app.config["SKMODELS_MAX_QUEUE"] = 1
    message = "SKMODELS_MAX_QUEUE has no effect without SKMODELS_MAX_CONCURRENCY: set SKMODELS_M"
    with pytest.raises(ConfigurationError, match=message):
        SKModels(app)
