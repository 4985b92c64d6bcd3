"""The spans of predictions, with the OpenTelemetry SDK and a traced Flask application."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest
from flask import Flask, abort
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from flask_skmodels import ConfigurationError, InputError, InvalidInput, SKModels, before_prediction
from flask_skmodels.hints import install_line
from flask_skmodels.testing import FakeEstimator
from tests.support.helpers import SCHEMA, SETOSA, X, hooked, post_json, serve

PATH = "/iris/predict/"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.fixture
def app(models: SKModels, provider: TracerProvider) -> Iterator[Flask]:
    """An application whose requests and predictions are traced."""
    app = Flask("iris_app")
    app.config["SKMODELS_TRACING"] = provider
    models.init_app(app)
    instrumentor: Any = FlaskInstrumentor()
    instrumentor.instrument_app(app, tracer_provider=provider)
    yield app
    instrumentor.uninstrument_app(app)


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Callable[[], list[ReadableSpan]]:
    """A function that returns the spans of the library, without those of the application."""

    def of_predictions() -> list[ReadableSpan]:
        found = exporter.get_finished_spans()
        return [s for s in found if s.instrumentation_scope.name == "flask_skmodels"]  # type: ignore[union-attr]

    return of_predictions


Spans = Callable[[], list[ReadableSpan]]


def test_span_of_a_prediction_is_under_that_of_the_request(
    app: Flask, exporter: InMemorySpanExporter
) -> None:
    post_json(app.test_client(), PATH, X[:3].tolist())
    span, request = exporter.get_finished_spans()
    assert span.name == "predict iris"
    assert request.name == "POST /iris/predict/"
    assert span.parent is not None
    assert request.context is not None
    assert span.context is not None
    assert span.parent.span_id == request.context.span_id
    assert span.context.trace_id == request.context.trace_id
    assert span.kind is trace.SpanKind.INTERNAL
    assert span.status.status_code is StatusCode.UNSET


def test_span_says_model_method_and_rows_and_nothing_else(app: Flask, spans: Spans) -> None:
    post_json(app.test_client(), "/iris/predict_proba/", X[:3].tolist())
    [span] = spans()
    assert dict(span.attributes or {}) == {
        "skmodels.model": "iris",
        "skmodels.method": "predict_proba",
        "skmodels.rows": 3,
    }
    assert list(span.events) == []


def test_span_says_the_version(
    tmp_path: Path, pipeline: Any, provider: TracerProvider, spans: Spans
) -> None:
    (tmp_path / "iris").mkdir()
    joblib.dump(pipeline, tmp_path / "iris" / "7.joblib")
    app = Flask("folder", root_path=str(tmp_path))
    app.config.update(SKMODELS_TRUST_PICKLE=True, SKMODELS_TRACING=provider)
    models = SKModels(app)
    models.add("iris", "iris", schema=SCHEMA)
    models.predict("iris", SETOSA, app=app)
    assert (spans()[0].attributes or {})["skmodels.version"] == "7"


def test_span_is_there_in_process_too(app: Flask, models: SKModels, spans: Spans) -> None:
    models.predict("iris", SETOSA, app=app)
    [span] = spans()
    assert span.parent is None


def test_what_a_model_does_is_under_its_span(
    app: Flask, models: SKModels, pipeline: Any, provider: TracerProvider, spans: Spans
) -> None:
    tracer = provider.get_tracer("flask_skmodels")

    def hook(X: Any) -> Any:
        with tracer.start_as_current_span("look up"):
            return pipeline.predict(X)

    models.register(hooked(pipeline, hook))
    models.predict("hooked", SETOSA, app=app)
    inner, outer = spans()
    assert (inner.name, outer.name) == ("look up", "predict hooked")
    assert inner.parent is not None
    assert outer.context is not None
    assert inner.parent.span_id == outer.context.span_id
    assert not trace.get_current_span().get_span_context().is_valid


def test_model_that_asks_another(app: Flask, models: SKModels, pipeline: Any, spans: Spans) -> None:
    def hook(X: Any) -> Any:
        with pytest.raises(InvalidInput):
            models.predict("iris", {}, app=app)
        return models.predict("iris", X, app=app).outputs

    models.register(hooked(pipeline, hook))
    models.predict("hooked", SETOSA, app=app)
    rejected, inner, outer = spans()
    assert [span.name for span in (rejected, inner, outer)] == [
        *("predict iris", "predict iris", "predict hooked"),
    ]
    assert outer.context is not None
    for span in (rejected, inner):
        assert span.parent is not None
        assert span.parent.span_id == outer.context.span_id
    assert rejected.status.status_code is StatusCode.ERROR
    assert outer.status.status_code is StatusCode.UNSET


def test_rejected_input_sets_the_status(app: Flask, spans: Spans) -> None:
    post_json(app.test_client(), PATH, [SETOSA | {"petal_width": "s3cr3t", "sepal_width": -71}])
    [span] = spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "InvalidInput"
    assert dict(span.attributes or {}) == {
        "skmodels.model": "iris",
        "skmodels.method": "predict",
        "skmodels.rules": ("min", "type"),
        "error.type": "InvalidInput",
    }
    assert span.parent is not None
    assert "s3cr3t" not in span.to_json()
    assert "-71" not in span.to_json()


def test_failure_sets_the_status_and_tells_no_value(
    app: Flask, models: SKModels, spans: Spans
) -> None:
    failure = ValueError("could not convert string to float: 's3cr3t'")
    models.add("fake", FakeEstimator(predict=failure), schema=SCHEMA)
    assert app.test_client().post("/fake/predict/", data=SETOSA).status_code == 500
    [span] = spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert (span.attributes or {})["error.type"] == "ValueError"
    assert "s3cr3t" not in span.to_json()


def test_model_that_rejects_rows_itself(
    app: Flask, models: SKModels, pipeline: Any, spans: Spans
) -> None:
    def hook(X: Any) -> Any:
        raise InvalidInput([InputError(0, "petal_width", "taste", "too wide")])

    models.register(hooked(pipeline, hook))
    with pytest.raises(InvalidInput):
        models.predict("hooked", SETOSA, app=app)
    [span] = spans()
    assert span.status.description == "InvalidInput"
    assert (span.attributes or {})["skmodels.rules"] == ("taste",)


def test_what_a_receiver_stops_sets_the_status(app: Flask, spans: Spans) -> None:
    def refuse(sender: Flask, **extra: Any) -> None:
        abort(403)

    with before_prediction.connected_to(refuse, app):
        assert app.test_client().post(PATH, data=SETOSA).status_code == 403
    [span] = spans()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "Forbidden")
    assert not trace.get_current_span().get_span_context().is_valid


def test_threads_have_their_own_spans(app: Flask, models: SKModels, spans: Spans) -> None:
    def ask(rows: int) -> int:
        return models.predict("iris", X[:rows], app=app).rows

    with ThreadPoolExecutor(8) as pool:
        asked = list(pool.map(ask, range(1, 101)))
    rows: list[Any] = [(span.attributes or {})["skmodels.rows"] for span in spans()]
    assert sorted(rows) == asked
    assert all(span.parent is None for span in spans())


def test_extensions_trace_their_own_models(app: Flask, pipeline: Any, spans: Spans) -> None:
    app.config["OTHER_TRACING"] = False
    other = SKModels(app, name="other", url_prefix="/other")
    other.add("iris", pipeline, schema=SCHEMA)
    other.predict("iris", SETOSA, app=app)
    with pytest.raises(InvalidInput):
        other.predict("iris", {}, app=app)
    assert spans() == []


def test_without_a_provider_nothing_is_traced(models: SKModels) -> None:
    app = Flask("untraced")
    models.init_app(app)
    seen: list[bool] = []

    def look(X: Any) -> Any:
        seen.append(trace.get_current_span().get_span_context().is_valid)
        return [0]

    models.add("fake", FakeEstimator(predict=look), schema=SCHEMA)
    models.predict("fake", SETOSA, app=app)
    assert seen == [False]


def test_tracing_can_be_turned_off(models: SKModels) -> None:
    app = Flask("off")
    app.config.update(SKMODELS_TRACING=False, SKMODELS_METRICS=False, SKMODELS_PAGES=False)
    models.init_app(app)
    assert not before_prediction.receivers


def test_tracing_needs_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    assert serve().get("/-/models").status_code == 200
    with pytest.raises(ConfigurationError) as caught:
        serve(SKMODELS_TRACING=True)
    assert str(caught.value) == f"SKMODELS_TRACING needs {install_line('tracing')}"


def test_value_that_the_key_cannot_hold() -> None:
    with pytest.raises(ConfigurationError, match=r"^SKMODELS_TRACING must be None, True"):
        serve(SKMODELS_TRACING="yes")
