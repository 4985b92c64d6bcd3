"""The recent traffic: its counts, its window, and the bounds of its memory."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from threading import Thread
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.datasets import make_classification
from sklearn.decomposition import PCA
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from flask_skmodels import (
    Artifact,
    KeyValueModel,
    Model,
    SKModels,
)
from flask_skmodels.inference.prediction import SAMPLE
from flask_skmodels.telemetry import recent_traffic
from flask_skmodels.telemetry.recent_traffic import (
    CELLS,
    VERSIONS,
    WINDOW,
    RecentTraffic,
)
from flask_skmodels.telemetry.traffic_minutes import FAILURES
from tests.support.helpers import FIELDS, SCHEMA, SETOSA, VIRGINICA, X, serve

PATH = "/iris/predict/"
WORDS = FunctionTransformer().fit(np.array([["a"]], dtype=object))


def recent_traffic_of(client: FlaskClient, name: str = "skmodels") -> RecentTraffic:
    found: RecentTraffic = client.application.extensions[name].recent_traffic
    return found


def traffic(client: FlaskClient, name: str = "iris") -> dict[str, Any]:
    document: dict[str, Any] = client.get(f"/{name}/traffic/").get_json()
    return document


def counted(entry: dict[str, Any]) -> dict[Any, int]:
    return {each["value"]: each["count"] for each in entry["counts"]}


# What is counted


def test_predictions_rows_and_times(client: FlaskClient) -> None:
    assert traffic(client)["predictions"] == 0
    assert traffic(client)["seconds"] is None
    client.post(PATH, json=[SETOSA, VIRGINICA])
    client.post(PATH, json=SETOSA)
    document = traffic(client)
    assert (document["predictions"], document["rows"], document["window"]) == (2, 3, 2)
    assert 0 < document["seconds"]["median"] <= document["seconds"]["p95"]
    assert document["since"] <= document["last_at"]
    [output] = document["outputs"]
    assert (output["name"], counted(output)) == ("prediction", {0: 2, 2: 1})


def test_calls_in_process_count(models: SKModels, app: Flask, client: FlaskClient) -> None:
    models.predict("iris", SETOSA, app=app)
    assert traffic(client)["predictions"] == 1


def test_rejected_fields(client: FlaskClient) -> None:
    client.post(PATH, json=[{**SETOSA, "sepal_width": -1}, {**SETOSA, "sepal_width": -2}])
    client.post(PATH, json={name: v for name, v in SETOSA.items() if name != "petal_width"})
    client.post(PATH, data=b"{", content_type="application/json")
    document = traffic(client)
    assert (document["rejections"], document["predictions"]) == (3, 0)
    assert {(r["field"], r["rule"]): r["count"] for r in document["rejected"]} == {
        ("sepal_width", "min"): 2,
        ("petal_width", "required"): 1,
        (None, "json"): 1,
    }


def test_names_of_clients_are_not_kept(pipeline: Any) -> None:
    client = serve(
        KeyValueModel(name="iris", pipeline=pipeline, schema=SCHEMA, purge_unknown=False)
    )
    for place in range(5):
        client.post(PATH, json={**SETOSA, f"odd{place}": 1})
    [rejected] = traffic(client)["rejected"]
    assert rejected == {"field": None, "rule": "unknown", "count": 5}


def test_failures(pipeline: Any) -> None:
    class Broken(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            raise RuntimeError

    client = serve(Broken(pipeline=pipeline))
    client.post("/broken/predict/", json=SETOSA)
    document = traffic(client, "broken")
    assert (document["failures"], document["predictions"]) == (1, 0)


def test_ranges_of_inputs(pipeline: Any) -> None:
    schema = {name: {"min": 0, "max": 30, "meta": {"unit": "cm"}} for name in FIELDS}
    client = serve(KeyValueModel(name="iris", pipeline=pipeline, schema=schema))
    client.post(PATH, json=[SETOSA, VIRGINICA])
    first = traffic(client)["inputs"][0]
    assert sum(first.pop("histogram")["counts"]) == 2
    assert first == {
        "field": "sepal_length",
        "minimum": 0,
        "maximum": 30,
        "x-unit": "cm",
        "rows": 2,
        "missing": 0,
        "least": 5.1,
        "most": 6.3,
        "mean": pytest.approx(5.7),
    }


def test_categories_booleans_and_missing_values(mixed_pipeline: Any) -> None:
    schema = {"island": {"allowed": ["Biscoe", "Dream", "Torgersen"]}, "mass": {"nullable": True}}
    client = serve(KeyValueModel(name="birds", pipeline=mixed_pipeline, schema=schema))
    rows = [{"island": "Dream", "mass": 3000}, {"island": "Dream", "mass": None}]
    client.post("/birds/predict/", json=rows)
    island, mass = traffic(client, "birds")["inputs"]
    assert counted(island) == {"Dream": 2, "Biscoe": 0, "Torgersen": 0}
    assert island["enum"] == ["Biscoe", "Dream", "Torgersen"]
    assert (mass["least"], mass["most"], mass["missing"]) == (3000, 3000, 1)


def test_booleans_are_counted() -> None:
    flags = LogisticRegression().fit([[0.0], [1.0], [0.0], [1.0]], ["no", "yes", "no", "yes"])
    client = serve(KeyValueModel(name="f", pipeline=flags, schema={"flag": {"type": "boolean"}}))
    client.post("/f/predict/", json=[{"flag": True}, {"flag": True}])
    [flag] = traffic(client, "f")["inputs"]
    assert [each["count"] for each in flag["counts"]] == [2, 0]


def test_histogram_of_numbers(line_pipeline: Any) -> None:
    client = serve(Model(name="line", pipeline=line_pipeline))
    client.post("/line/predict/", json=[[n, 0, 0] for n in range(50)])
    [output] = traffic(client, "line")["outputs"]
    assert (output["least"], output["most"], output["mean"]) == (0, 49, 24.5)
    assert sum(output["histogram"]["counts"]) == 50
    assert len(output["histogram"]["edges"]) == len(output["histogram"]["counts"]) + 1


def test_several_outputs() -> None:
    two = LinearRegression().fit(np.eye(2), np.eye(2))
    client = serve(Model(name="two", pipeline=two))
    client.post("/two/predict/", json=[[1, 0], [0, 1]])
    names = [output["name"] for output in traffic(client, "two")["outputs"]]
    assert names == ["prediction_0", "prediction_1"]


def test_model_of_probabilities_alone_counts_the_most_probable_class(pipeline: Any) -> None:
    client = serve(Model(name="iris", pipeline=pipeline, methods=["predict_proba"]))
    client.post("/iris/predict_proba/", json=[[*SETOSA.values()], [*VIRGINICA.values()]])
    [output] = traffic(client)["outputs"]
    assert counted(output) == {0: 1, 2: 1}


def test_sparse_outputs_are_left_out() -> None:
    words = TfidfVectorizer().fit(["a good text", "a bad text"])
    client = serve(Model(name="words", pipeline=words))
    client.post("/words/transform/", json=[{"text": "good"}])
    document = traffic(client, "words")
    assert (document["predictions"], document["outputs"], document["inputs"]) == (1, [], [])


# Bounds


def test_window_is_bounded(client: FlaskClient) -> None:
    models = client.application.extensions["skmodels"].models
    for _ in range(WINDOW + 5):
        models.predict("iris", SETOSA, app=client.application)
    document = traffic(client)
    assert (document["predictions"], document["window"]) == (WINDOW + 5, WINDOW)


def test_inputs_are_kept_of_a_model_that_was_unloaded(tmp_path: Path, pipeline: Any) -> None:
    joblib.dump(pipeline, tmp_path / "iris.joblib")
    digest = sha256((tmp_path / "iris.joblib").read_bytes()).hexdigest()
    artifact = Artifact(tmp_path / "iris.joblib", sha256=digest)
    models, app = SKModels(), Flask("host")
    app.config.update(SKMODELS_LOADING="first-use", SKMODELS_MAX_LOADED=1)
    for name in ("a", "b"):
        models.add(name, artifact, schema=SCHEMA)
    models.init_app(app)
    for name in "abab":
        models.predict(name, SETOSA, app=app)
    for name in "ab":
        window = app.extensions["skmodels"].recent_traffic.window(name)
        assert [kept.inputs.shape for kept in window] == [(1, 4)] * 2


def test_view_of_what_an_estimator_uses_again_is_copied(pipeline: Any) -> None:
    numbers = np.zeros(8)

    class Hooked(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            numbers[:] += 1
            return numbers[: len(X)]

    client = serve(Hooked(pipeline=pipeline))
    for _ in range(3):
        client.post("/hooked/predict/", json=SETOSA)
    window = recent_traffic_of(client).window("hooked")
    assert [kept.outputs.tolist() for kept in window] == [[1.0], [2.0], [3.0]]


def test_large_requests_are_sampled(client: FlaskClient) -> None:
    client.post(PATH, json=np.tile(X, (10, 1)).tolist())
    [kept] = recent_traffic_of(client).window("iris")
    assert len(kept.inputs) == len(kept.outputs) == SAMPLE
    assert kept.inputs.base is None  # else the whole would be kept
    assert {*counted(traffic(client)["outputs"][0])} == {0, 1, 2}


@pytest.mark.full
def test_sum_of_values_is_bounded() -> None:
    wide, classes = make_classification(60, 4000, random_state=0)
    client = serve(Model(name="wide", pipeline=PCA(2).fit(wide, classes)))
    for _ in range(3):
        client.post("/wide/transform/", json=wide[:10].tolist())
    window = recent_traffic_of(client).window("wide")
    assert sum(kept.cells for kept in window) <= CELLS
    assert len(window) == 1
    assert traffic(client, "wide")["predictions"] == 3


def test_texts_are_not_kept() -> None:
    mood = make_pipeline(TfidfVectorizer(), LogisticRegression())
    mood.fit(["good", "bad"], ["yes", "no"])
    client = serve(Model(name="mood", pipeline=mood))
    client.post("/mood/predict/", json=[{"text": "secret " * 1000}])
    [kept] = recent_traffic_of(client).window("mood")
    assert kept.inputs is None
    assert counted(traffic(client, "mood")["outputs"][0])


def test_free_texts_beside_numbers_are_not_kept(mixed_pipeline: Any) -> None:
    schema = {"island": {"type": "string"}, "mass": {"nullable": True}}
    client = serve(KeyValueModel(name="birds", pipeline=mixed_pipeline, schema=schema))
    client.post("/birds/predict/", json={"island": "Dream", "mass": 3000})
    [kept] = recent_traffic_of(client).window("birds")
    assert "Dream" not in str(kept.inputs)
    assert [i["field"] for i in traffic(client, "birds")["inputs"]] == ["mass"]


@pytest.mark.parametrize(
    ("outputs", "is_kept"),
    [
        (["y" * 10_000], True),
        (np.array(["y" * 100_000]), False),
        (np.array(["y" * 100_000], dtype=object), True),
        (np.array([["y" * 100_000, "n"]], dtype=object), True),
        (np.array([b"y" * 10_000]), True),
        (np.array([{"any": "y" * 100_000}, None], dtype=object)[:1], False),
        ([{"any": "thing"}], False),
        (np.zeros((1, 2, 2)), False),
    ],
)
def test_outputs_of_a_hook_are_bounded(pipeline: Any, outputs: Any, *, is_kept: bool) -> None:
    class Hooked(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return outputs

    client = serve(Hooked(pipeline=pipeline))
    client.post("/hooked/predict/", json=SETOSA)
    [kept] = recent_traffic_of(client).window("hooked")
    assert (kept.outputs is not None) is is_kept
    assert len(str(kept.outputs)) < 200


def test_texts_that_a_model_transforms_are_not_kept() -> None:
    client = serve(KeyValueModel(name="words", pipeline=WORDS, schema={"word": {"type": "string"}}))
    client.post("/words/transform/", json={"word": "secret"})
    [kept] = recent_traffic_of(client).window("words")
    assert kept.outputs is None


def test_nothing_is_kept_of_a_larger_call(pipeline: Any) -> None:
    class Sliced(KeyValueModel):
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return np.zeros(10_000)[:1]

    client = serve(Sliced(pipeline=pipeline))
    client.post("/sliced/predict/", json=SETOSA)
    [kept] = recent_traffic_of(client).window("sliced")
    assert kept.outputs.base is None


def test_predictions_of_few_models_are_kept(
    monkeypatch: pytest.MonkeyPatch, line_pipeline: Any
) -> None:
    monkeypatch.setattr(recent_traffic, "WINDOWS", 2)
    client = serve(*(Model(name=f"m{n}", pipeline=line_pipeline) for n in range(3)))
    for name in ("m0", "m1", "m0", "m2"):
        client.post(f"/{name}/predict/", json=[[1, 2, 3]])
    windows = {name: traffic(client, name)["window"] for name in ("m0", "m1", "m2")}
    assert windows == {"m0": 2, "m1": 0, "m2": 1}
    assert traffic(client, "m1")["predictions"] == 1


def test_pairs_of_field_and_rule_are_bounded(
    monkeypatch: pytest.MonkeyPatch, client: FlaskClient
) -> None:
    monkeypatch.setattr(recent_traffic, "_COUNTED", 1)
    client.post(PATH, json={})
    assert len(traffic(client)["rejected"]) == 1


# Whose traffic it is


def test_without_pages_nobody_listens(pipeline: Any) -> None:
    app = Flask("host")
    app.config["SKMODELS_PAGES"] = False
    SKModels(app).add("iris", pipeline)
    state = app.extensions["skmodels"]
    assert not any(isinstance(listener, RecentTraffic) for listener in state.listeners)
    assert state.recent_traffic is None


def test_applications_count_apart(models: SKModels) -> None:
    clients = []
    for name in ("one", "two"):
        app = Flask(name)
        models.init_app(app)
        clients.append(app.test_client())
    clients[0].post(PATH, json=SETOSA)
    assert [traffic(client)["predictions"] for client in clients] == [1, 0]


def test_no_prediction_is_lost_between_threads(models: SKModels, app: Flask) -> None:
    def predict() -> None:
        for _ in range(100):
            models.predict("iris", SETOSA, app=app)

    threads = [Thread(target=predict) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traffic(app.test_client())["predictions"] == 800


def test_columns_of_a_data_frame_are_measured() -> None:
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0], "weight": [2.0, 4.0, 6.0]})
    client = serve(Model(name="sizes", pipeline=LinearRegression().fit(frame, [1.0, 2.0, 3.0])))
    client.post("/sizes/predict/", json=[{"size": 1, "weight": 5}, {"size": 2, "weight": 7}])
    size, weight = traffic(client, "sizes")["inputs"]
    assert (size["field"], size["least"], size["most"]) == ("size", 1, 2)
    assert (weight["least"], weight["most"]) == (5, 7)


def test_minutes_of_the_versions_used_last_are_kept(client: FlaskClient) -> None:
    minutes_of = recent_traffic_of(client).of("iris").minutes_of
    first = minutes_of("1")
    for label in range(2, VERSIONS + 1):
        minutes_of(str(label))
    assert minutes_of("1") is first
    minutes_of("another")
    assert minutes_of("1") is first


def test_versions_called_in_turn_have_one_file_each(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    labels = [str(label) for label in range(VERSIONS + 1)]
    recent = recent_traffic_of(client).of("iris")
    for label in labels * 3:
        recent.add_failure(label)
    recent.forget()
    for label in labels:
        recent.add_failure(label)
    assert len(list(tmp_path.iterdir())) == len(labels)
    kept = recent.minutes_of(labels[-1]).table()
    assert kept[:, FAILURES].sum() == 4
