"""Concurrent calls that are combined: each caller gets its own rows, errors and timeout."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC

from flask_skmodels import KeyValueModel, Prediction, SKModels, ValuesModel, after_prediction
from flask_skmodels.engines import batching
from flask_skmodels.engines.call_threads import DIRECT, ThreadCall, request_thread
from tests.support.gate import WAIT, Gate, gate, until
from tests.support.helpers import SCHEMA, VIRGINICA, X, Y
from tests.support.selection import cases


def held(pipeline: Gate, **attributes: Any) -> tuple[SKModels, Flask]:
    models = SKModels()
    attributes = {"batching": True, "schema": {"x": {}}, "engine": "sklearn"} | attributes
    models.add("held", pipeline, **attributes)
    app = Flask("batching")
    models.init_app(app)
    if isinstance(pipeline, Gate):
        pipeline.close()
    return models, app


@contextmanager
def waiting(
    models: SKModels, app: Flask, pipeline: Gate, numbers: list[float], method: str = "predict"
) -> Iterator[list[Any]]:
    """Have the first number predicted, and all others at once while it is; yield the futures."""

    def ask(number: float) -> Prediction:
        return models.predict("held", {"x": number}, method, app=app)

    with ThreadPoolExecutor(len(numbers)) as pool:
        futures = [pool.submit(ask, numbers[0])]
        assert pipeline.entered_.wait(WAIT)
        futures += [pool.submit(ask, number) for number in numbers[1:]]
        until(lambda: queued(models, app, method) == len(numbers) - 1)
        pipeline.opened_.set()
        yield futures


def queued(models: SKModels, app: Flask, method: str) -> int:
    version = models._deployment(app, "held").versions.live
    assert version is not None
    return len(version.combiner(method)._queue)


def test_calls_that_come_meanwhile_become_one() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0, 4.0]) as futures:
        results = [future.result(WAIT).outputs.tolist() for future in futures]
    assert results == [[2.0], [4.0], [6.0], [8.0]]
    assert pipeline.calls_ == [1, 3]


def test_the_wait_is_in_the_record_and_not_in_the_seconds() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    with waiting(models, app, pipeline, [1.0, 2.0]) as futures:
        first, second = [future.result(WAIT) for future in futures]
    assert first.queue < first.seconds
    assert second.queue > 0
    assert second.seconds >= 0


def test_rows_of_the_call_are_in_the_record() -> None:
    pipeline = gate(raises_on=9.0)
    models, app = held(pipeline)
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0, 4.0]) as futures:
        assert [future.result(WAIT).batch_rows for future in futures] == [1, 3, 3, 3]
        assert {future.result(WAIT).rows for future in futures} == {1}
    pipeline = gate(raises_on=3.0)
    models, app = held(pipeline)
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0]) as futures:
        assert futures[1].result(WAIT).batch_rows == 1
    assert models.predict("held", [[1.0], [2.0]], app=app).batch_rows == 2


def test_every_output_of_several_goes_to_its_caller() -> None:
    pipeline = gate()
    models, app = held(pipeline, methods=["predict_proba"])
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0], "predict_proba") as futures:
        results = [future.result(WAIT).outputs for future in futures]
    assert [[part.tolist() for part in outputs] for outputs in results] == [
        [[[2.0, -2.0]], [[2.0, 2.0]]],
        [[[4.0, -4.0]], [[4.0, 4.0]]],
        [[[6.0, -6.0]], [[6.0, 6.0]]],
    ]


def test_a_row_that_raises_is_its_callers_alone() -> None:
    pipeline = gate(raises_on=3.0)
    models, app = held(pipeline)
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0, 4.0]) as futures:
        assert futures[1].result(WAIT).outputs.tolist() == [4.0]
        assert futures[3].result(WAIT).outputs.tolist() == [8.0]
        with pytest.raises(RuntimeError, match="not for me"):
            futures[2].result(WAIT)
    assert pipeline.calls_ == [1, 3, 1, 1, 1]


def test_a_combined_call_of_the_wrong_length_is_made_one_by_one() -> None:
    pipeline = gate(loses=True)
    models, app = held(pipeline)
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0]) as futures:
        assert [future.result(WAIT).outputs.tolist() for future in futures] == [[2.0], [4.0], [6.0]]
    assert pipeline.calls_ == [1, 2, 1, 1]


def test_no_more_rows_than_configured_are_combined() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    app.extensions["skmodels"].deployments["held"].batch_rows = 2
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0, 4.0]) as futures:
        assert [future.result(WAIT).outputs[0] for future in futures] == [2.0, 4.0, 6.0, 8.0]
    assert pipeline.calls_ == [1, 2, 1]


def test_batch_rows_are_configured() -> None:
    models = SKModels()
    models.add("held", gate(), schema={"x": {}}, engine="sklearn")
    app = Flask("configured")
    app.config["SKMODELS_BATCH_ROWS"] = 7
    models.init_app(app)
    assert app.extensions["skmodels"].deployments["held"].batch_rows == 7


@pytest.mark.parametrize("attributes", [{"batching": False}, {}])
def test_what_is_not_worth_it_runs_at_once(attributes: dict[str, Any]) -> None:
    pipeline = gate()
    models, app = held(pipeline, **{"batching": None} | attributes)
    pipeline.opened_.set()
    for _ in range(9):
        models.predict("held", {"x": 1.0}, app=app)
    pipeline.opened_.clear()
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(models.predict, "held", {"x": n}, app=app) for n in (1.0, 2.0, 3.0)]
        until(lambda: len(pipeline.calls_) == 12)  # each has entered by itself
        pipeline.opened_.set()
        assert [future.result(WAIT).outputs[0] for future in futures] == [2.0, 4.0, 6.0]


def test_what_costs_much_is_combined_without_being_asked() -> None:
    pipeline = gate()
    models, app = held(pipeline, batching=None)
    pipeline.opened_ = Slow()
    for _ in range(5):
        models.predict("held", {"x": 1.0}, app=app)
    pipeline.opened_, pipeline.calls_ = threading.Event(), []
    pipeline.entered_.clear()
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0]) as futures:
        assert [future.result(WAIT).outputs[0] for future in futures] == [2.0, 4.0, 6.0]
    assert pipeline.calls_ == [1, 2]


class Slow(threading.Event):
    """Open, but it takes more than a millisecond to get through."""

    def wait(self, timeout: float | None = None) -> bool:
        threading.Event().wait(0.002)
        return True


def test_large_requests_do_not_wait_for_others() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    pipeline.opened_.set()
    models.predict("held", [{"x": float(n)} for n in range(17)], app=app)
    version = models._deployment(app, "held").versions.live
    assert version is not None
    assert version.combiner("predict")._leading is None


def test_a_caller_that_gives_up_takes_only_itself_out() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    version = models._deployment(app, "held").versions.live
    assert version is not None
    combiner = version.combiner("predict")
    given_up = threading.Event()

    def give_up() -> None:
        # What a greenlet's timeout or a worker's does: it raises where the caller waits.
        lock = threading.Lock()

        class Turn:
            def acquire(self) -> None:
                lock.acquire()
                raise KeyboardInterrupt

            def release(self) -> None:
                lock.release()

        try:
            _with_turn(combiner, Turn(), np.array([[9.0]]))
        except KeyboardInterrupt:
            given_up.set()

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(models.predict, "held", {"x": 1.0}, app=app)
        assert pipeline.entered_.wait(WAIT)
        pool.submit(give_up)
        assert given_up.wait(WAIT)
        last = pool.submit(models.predict, "held", {"x": 2.0}, app=app)
        until(lambda: len(combiner._queue) == 1)
        pipeline.opened_.set()
        assert first.result(WAIT).outputs.tolist() == [2.0]
        assert last.result(WAIT).outputs.tolist() == [4.0]
    assert pipeline.calls_ == [1, 1]


def _with_turn(combiner: Any, turn: Any, rows: NDArray[np.float64]) -> Any:
    """Call as one whose wait is interrupted."""
    waiting = batching._Caller(rows, 8)
    waiting.turn = turn
    with combiner._lock:
        combiner._queue.append(waiting)
    return combiner._wait(waiting, None, 0.0)


@pytest.mark.parametrize("leads", [True, False])
def test_who_is_to_lead_and_gives_up_leaves_the_others_another_leader(*, leads: bool) -> None:
    """A thread that ends inside a combined call does not leave the others waiting."""
    pipeline = Ending().fit(np.zeros((1, 1)))
    models, app = held(pipeline)
    pipeline.ends_ = leads
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0, 4.0]) as futures:
        outcomes = [_outcome(future) for future in futures]
    assert outcomes[0] == [2.0]
    results = [outcome for outcome in outcomes[1:] if outcome is not SystemExit]
    assert len(results) == (2 if leads else 3)
    assert set(map(str, results)) <= {"[4.0]", "[6.0]", "[8.0]"}


class Ending(Gate):
    """Raises what ends a thread at its first combined call."""

    ends_ = False

    def predict(self, X: Any) -> NDArray[np.float64]:
        doubled = super().predict(X)
        if self.ends_ and len(doubled) > 1:
            self.ends_ = False
            raise SystemExit
        return doubled


def _outcome(future: Any) -> Any:
    try:
        return future.result(WAIT).outputs.tolist()
    except SystemExit:
        return SystemExit


def tag(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return rows[:, 0] * 3 + 1


class Tagger(ClassifierMixin, BaseEstimator):
    def fit(self, X: Any, y: Any = None) -> Tagger:
        self.n_features_in_ = 1
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        threading.Event().wait(0.0005)
        if 13 in X[:, 0] % 100:  # a combined call with such a row fails as a whole
            assert len(X) == 1
        return tag(X)


@pytest.mark.parametrize("count", cases([1_000, 5_000], quick=[1_000]))
def test_tagged_requests_get_their_own_answers(count: int) -> None:
    """Threads share one model, 50 requests each: each request gets its own answer."""
    models = SKModels()
    models.add(
        "tagged", Tagger().fit(np.zeros((1, 1))), schema={"x": {}}, engine="sklearn", batching=True
    )
    app = Flask("tagged")
    models.init_app(app)
    client = app.test_client
    wrong: list[Any] = []

    def ask(numbers: range) -> int:
        mine = client()
        for number in numbers:
            response = mine.post("/tagged/predict/", json={"x": number})
            if response.status_code != 200 or response.get_json()["predictions"] != [
                number * 3 + 1
            ]:
                wrong.append((number, response.text))
        return len(numbers)

    with ThreadPoolExecutor(count // 50) as pool:
        parts = [range(start, start + 50) for start in range(0, count, 50)]
        done = sum(pool.map(ask, parts, timeout=240))
    assert done == count
    assert wrong == []


def test_data_frames_are_combined_by_column() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", "y", "z"]})

    class Named(Gate):
        def fit(self, X: Any, y: Any = None) -> Named:
            super().fit(X)
            self.feature_names_in_ = np.array(["a", "b"], dtype=object)
            return self

        def predict(self, X: Any) -> Any:
            numbers = super().predict(X[["a"]])
            return np.array([f"{n:g}{b}" for n, b in zip(numbers, X["b"], strict=True)])

    pipeline = Named().fit(frame)
    models = SKModels()
    rules = {"a": {"type": "number"}, "b": {"type": "string"}}
    models.add("held", pipeline, schema=rules, batching=True, engine="sklearn")
    app = Flask("frames")
    models.init_app(app)
    pipeline.close()

    def ask(number: float, text: str) -> Any:
        return models.predict("held", {"a": number, "b": text}, app=app).outputs.tolist()

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(ask, 1.0, "p")
        assert pipeline.entered_.wait(WAIT)
        others = [pool.submit(ask, 2.0, "q"), pool.submit(ask, 3.0, "r")]
        until(lambda: queued(models, app, "predict") == 2)
        pipeline.opened_.set()
        assert [f.result(WAIT) for f in [first, *others]] == [["2p"], ["4q"], ["6r"]]
    assert pipeline.calls_ == [1, 2]


def test_frames_of_numbers_and_texts_meet_too() -> None:
    """The real thing, many threads: texts in a list, and a support vector machine on a frame."""
    texts = ["red green", "blue", "green green", "blue red"] * 5
    vectors = make_pipeline(HashingVectorizer(n_features=32, alternate_sign=False), MultinomialNB())
    frame = pd.DataFrame(X, columns=list(SCHEMA))
    models = SKModels()
    models.add("texts", vectors.fit(texts, [0, 1, 0, 1] * 5), batching=True)
    models.add("vectors", SVC().fit(frame, Y), batching=True)
    app = Flask("real")
    models.init_app(app)
    rows = [dict(zip(SCHEMA, map(float, row), strict=True)) for row in X]
    with ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda row: models.predict("vectors", row, app=app).outputs[0], rows)
        said = pool.map(lambda t: models.predict("texts", {"text": t}, app=app).outputs[0], texts)
        assert list(found) == SVC().fit(frame, Y).predict(frame).tolist()
        assert list(said) == vectors.predict(texts).tolist()


def test_models_with_open_width_meet_only_rows_of_their_width() -> None:
    class Widths(Gate):
        def fit(self, X: Any, y: Any = None) -> Widths:
            super().fit(X)
            del self.n_features_in_
            return self

        def predict(self, X: Any) -> NDArray[np.float64]:
            found: NDArray[np.float64] = super().predict(X) + np.shape(X)[1]
            return found

    pipeline = Widths().fit(np.zeros((1, 1)))
    models = SKModels()
    models.register(ValuesModel(name="held", pipeline=pipeline, batching=True))
    app = Flask("widths")
    models.init_app(app)
    pipeline.close()

    def ask(*values: float) -> Any:
        return models.predict("held", [list(values)], app=app).outputs.tolist()

    with ThreadPoolExecutor(4) as pool:
        first = pool.submit(ask, 1.0)
        assert pipeline.entered_.wait(WAIT)
        others = [pool.submit(ask, 2.0, 0.0), pool.submit(ask, 3.0), pool.submit(ask, 4.0, 1.0)]
        until(lambda: queued(models, app, "predict") == 3)
        pipeline.opened_.set()
        assert [f.result(WAIT) for f in [first, *others]] == [[3.0], [6.0], [7.0], [10.0]]


def test_what_a_receiver_hears_is_its_own_callers() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    heard: dict[float, float] = {}

    def hear(sender: Flask, prediction: Prediction, **extra: Any) -> None:
        heard[float(prediction.inputs[0, 0])] = float(prediction.outputs[0])

    after_prediction.connect(hear, app)
    with waiting(models, app, pipeline, [1.0, 2.0, 3.0]) as futures:
        for future in futures:
            future.result(WAIT)
    assert heard == {1.0: 2.0, 2.0: 4.0, 3.0: 6.0}


def test_batching_is_an_attribute_of_a_class() -> None:
    class Combined(KeyValueModel):
        batching = True
        schema = SCHEMA
        pipeline = SVC().fit(X, Y)

    models = SKModels()
    models.register(Combined)
    app = Flask("class")
    models.init_app(app)
    assert models.predict("combined", VIRGINICA, app=app).outputs.tolist() == [2]


def test_a_process_forked_in_the_middle_of_a_call_does_not_wait_for_it() -> None:
    pipeline = gate()
    models, app = held(pipeline)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(models.predict, "held", {"x": 1.0}, app=app)
        assert pipeline.entered_.wait(WAIT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads
            child = os.fork()
        if not child:
            signal.alarm(WAIT)
            pipeline.opened_ = threading.Event()  # its lock may be that of a thread left behind
            pipeline.opened_.set()
            outputs = models.predict("held", {"x": 2.0}, app=app).outputs
            os._exit(0 if outputs.tolist() == [4.0] else 1)
        pipeline.opened_.set()
        assert first.result(WAIT).outputs.tolist() == [2.0]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Recursive(BaseEstimator):
    """Asks the model that it is for all numbers but the smallest, and adds up what it hears."""

    def fit(self, X: Any, y: Any = None) -> Recursive:
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        number = float(np.asarray(X)[0, 0])
        rest = self.models_.predict("held", {"x": number - 1}, app=self.app_) if number else None
        return np.array([number if rest is None else number + float(rest.outputs[0])])


def test_an_estimator_that_asks_its_own_model_does_not_wait_for_itself() -> None:
    pipeline = Recursive().fit(None)
    pipeline.models_, pipeline.app_ = models, app = held(pipeline)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            asked = pool.submit(models.predict, "held", {"x": 3.0}, app=app)
            assert asked.result(WAIT).outputs.tolist() == [6.0]


def test_a_call_leaves_nothing_for_the_garbage_collector() -> None:
    """Calls follow each other too fast for cycles that hold their rows."""
    pipeline = gate()
    models, app = held(pipeline)
    gc.collect()
    gc.disable()
    try:
        with waiting(models, app, pipeline, [1.0, 2.0, 3.0]) as futures:
            for future in futures:
                future.result(WAIT)
        models.predict("held", {"x": 1.0}, app=app)
        assert not [each for each in gc.get_objects() if isinstance(each, batching._Caller)]
    finally:
        gc.enable()


def test_call_that_returns_at_its_limit_has_its_result(monkeypatch: pytest.MonkeyPatch) -> None:
    wake = batching._wake

    def wake_late(leader: Any) -> None:
        time.sleep(0.3)  # the limit ends between the return of the method and the result
        wake(leader)

    monkeypatch.setattr(batching, "_wake", wake_late)
    combiner = batching.Combiner(lambda X: np.asarray(X) * 2, False)
    with DIRECT.place:  # another call runs, so this one gets a thread of its own
        outputs, _, rows = combiner.call(np.ones((1, 1)), 1, limit=0.1)
    assert (outputs.tolist(), rows) == ([[2.0]], 1)


def test_thread_of_a_call_belongs_to_its_request() -> None:
    call = ThreadCall(lambda: ThreadCall(request_thread))
    assert call.wait(10)
    inner = call.result()
    assert inner.wait(10)
    assert inner.result() == threading.get_ident()
