"""The method ``explain``: over HTTP in every format, in process, in the API document, refused."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    AdaBoostRegressor,
    BaggingClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from flask_skmodels import (
    InvalidInput,
    Model,
    ModelError,
    Profile,
    SKModels,
    ValuesModel,
    before_prediction,
)
from flask_skmodels.codecs import parts
from flask_skmodels.explain.linear import Linear
from flask_skmodels.testing import examples as examples_of
from flask_skmodels.testing import fake_model, record_signals
from flask_skmodels.web import views
from tests.support.command_line import output
from tests.support.helpers import FIELDS, SETOSA, VIRGINICA, X, Y, post_json, problem
from tests.support.html import HTML
from tests.support.skips import library
from tests.support.versions_folder import application, put

FRAME = pd.DataFrame(X, columns=list(FIELDS))
THREE = LogisticRegression(max_iter=500).fit(FRAME, Y)
IS_SETOSA = np.where(Y, "other", "setosa")
TWO = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, IS_SETOSA)
FOREST = RandomForestClassifier(5, max_depth=3, random_state=0).fit(FRAME, Y == 2)
LINE = Ridge().fit(FRAME[["sepal_length", "petal_length"]], FRAME["petal_width"])
PROFILE = Profile.of(FRAME, Y, TWO)
ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def app() -> Flask:
    app = Flask("explained")
    app.config.update(SKMODELS_DIALECTS=["kserve-v1", "open-inference"])
    models = SKModels(app)
    models.add("three", THREE, explain=True)
    models.add("two", TWO, explain=True, profile=PROFILE)
    models.add("forest", FOREST, explain=True, probability=True)
    models.add("line", LINE, explain=True)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def explanations(client: FlaskClient, name: str, *rows: Any) -> list[Any]:
    response = post_json(client, f"/{name}/explain/", list(rows))
    assert response.status_code == 200, response.text
    entries: list[Any] = response.get_json()["explanations"]
    return entries


def test_the_margin_of_the_second_of_two_classes_is_explained(client: FlaskClient) -> None:
    response = post_json(client, "/two/explain/", SETOSA)
    document = response.get_json()
    assert list(document) == ["model", "version", "method", "classes", "explanations"]
    assert document["classes"] == ["other", "setosa"]
    assert (document["model"], document["version"], document["method"]) == ("two", None, "explain")
    (entry,) = document["explanations"]
    assert list(entry) == ["base", "contributions", "output", "rule"]
    assert list(entry["contributions"]) == list(FIELDS)
    margin = TWO.decision_function(pd.DataFrame([SETOSA]))[0]
    assert entry["output"] == pytest.approx(margin)
    assert entry["base"] + sum(entry["contributions"].values()) == pytest.approx(margin)
    assert entry["rule"] == "linear_mean"


def test_several_classes_have_lists_in_their_order(client: FlaskClient) -> None:
    (entry, other) = explanations(client, "three", SETOSA, VIRGINICA)
    margins = THREE.decision_function(pd.DataFrame([SETOSA, VIRGINICA]))
    assert entry["output"] == pytest.approx(margins[0])
    assert other["output"] == pytest.approx(margins[1])
    sums = np.array(entry["base"]) + np.sum(list(entry["contributions"].values()), axis=0)
    assert sums == pytest.approx(margins[0])
    assert entry["rule"] == "linear_zero"
    assert entry["base"] == pytest.approx(THREE.intercept_)
    values = THREE.coef_[:, 0] * SETOSA["sepal_length"]
    assert entry["contributions"]["sepal_length"] == pytest.approx(values)


def test_trees_explain_the_probability(client: FlaskClient) -> None:
    (entry,) = explanations(client, "forest", VIRGINICA)
    probability = FOREST.predict_proba(pd.DataFrame([VIRGINICA]))[0, 1]
    assert entry["output"] == pytest.approx(probability)
    assert entry["rule"] == "tree_shap"


def test_a_regressor_has_no_classes(client: FlaskClient) -> None:
    row = {"sepal_length": 5, "petal_length": 2}
    document = post_json(client, "/line/explain/", row).get_json()
    assert "classes" not in document
    assert document["explanations"][0]["output"] == pytest.approx(
        LINE.predict(pd.DataFrame([row]))[0]
    )


def test_several_targets_have_lists() -> None:
    app = Flask("targets")
    SKModels(app).add(
        "both", LinearRegression().fit(FRAME[["sepal_length"]], X[:, 1:3]), explain=True
    )
    (entry,) = explanations(app.test_client(), "both", {"sepal_length": 5})
    assert len(entry["base"]) == len(entry["output"]) == 2
    assert len(entry["contributions"]["sepal_length"]) == 2


def test_csv_has_a_column_for_each_field(client: FlaskClient) -> None:
    response = post_json(
        client, "/line/explain/", [{"sepal_length": 5, "petal_length": 2}], "text/csv"
    )
    header, line = response.text.splitlines()
    assert header == "base,sepal_length,petal_length,output,rule"
    *numbers, rule = line.split(",")
    (entry,) = explanations(client, "line", {"sepal_length": 5, "petal_length": 2})
    assert list(map(float, numbers)) == [
        entry["base"],
        *entry["contributions"].values(),
        entry["output"],
    ]
    assert rule == "linear_zero"


def test_csv_names_the_class_of_a_column(client: FlaskClient) -> None:
    header = post_json(client, "/three/explain/", [SETOSA], "text/csv").text.splitlines()[0]
    names = ["base", *FIELDS, "output"]
    assert header.split(",") == [f"{c}_{name}" for c in range(3) for name in names] + ["rule"]


def test_a_field_keeps_its_name_in_a_table() -> None:
    app = Flask("names")
    frame = FRAME[["sepal_length", "petal_length"]].set_axis(["base", "rule"], axis="columns")
    SKModels(app).add("line", Ridge().fit(frame, X[:, 3]), explain=True)
    row = {"base": 5, "rule": 2}
    header = post_json(app.test_client(), "/line/explain/", [row], "text/csv").text.splitlines()[0]
    assert header == "base_,base,rule,output,rule_"


def test_text_has_the_same_values_in_one_line(client: FlaskClient) -> None:
    row = {"sepal_length": 5, "petal_length": 2}
    text = client.post("/line/explain/", data=row).text
    csv = post_json(client, "/line/explain/", [row], "text/csv").text
    assert text == csv.splitlines()[1]


def test_ndjson_has_an_explanation_in_each_line(client: FlaskClient) -> None:
    response = post_json(client, "/two/explain/", [SETOSA, VIRGINICA], "application/x-ndjson")
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert lines == explanations(client, "two", SETOSA, VIRGINICA)


def test_arrow_has_the_same_columns_as_csv(client: FlaskClient) -> None:
    pyarrow = library("pyarrow")
    response = post_json(client, "/two/explain/", [SETOSA, VIRGINICA], ARROW)
    table = pyarrow.ipc.open_stream(response.data).read_all()
    assert table.column_names == ["base", *FIELDS, "output", "rule"]
    entries = explanations(client, "two", SETOSA, VIRGINICA)
    assert table["output"].to_pylist() == [entry["output"] for entry in entries]
    assert table["rule"].to_pylist() == ["linear_mean", "linear_mean"]


def test_large_responses_are_written_in_parts(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = FRAME.head(40)
    body = rows.to_csv(index=False)

    def post(accept: str) -> Any:
        headers = {"Accept": accept}
        return client.post("/three/explain/", data=body, content_type="text/csv", headers=headers)

    types = ("application/json", "application/x-ndjson", "text/csv", "text/plain", ARROW)
    whole = {accept: post(accept).data for accept in types}
    monkeypatch.setattr(parts, "FEW_CELLS", 100)
    monkeypatch.setattr(views, "FEW_CELLS", 100)
    monkeypatch.setattr(parts, "_CELLS_OF_A_PART", 200)
    for accept in types[:-1]:
        response = post(accept)
        assert response.is_streamed
        assert response.data == whole[accept]
    ipc = library("pyarrow").ipc
    read = [ipc.open_stream(each).read_all() for each in (whole[ARROW], post(ARROW).data)]
    assert read[0].equals(read[1].combine_chunks())


def test_rows_of_values_are_explained_by_the_position() -> None:
    app = Flask("values")
    SKModels(app).register(
        ValuesModel(name="line", pipeline=Ridge().fit(X[:, :2], X[:, 3]), explain=True)
    )
    client = app.test_client()
    (entry,) = explanations(client, "line", [5, 2])
    assert len(entry["contributions"]) == 2
    assert entry["base"] + sum(entry["contributions"].values()) == pytest.approx(entry["output"])


def test_invalid_rows_are_refused_as_in_a_prediction(client: FlaskClient) -> None:
    invalid = post_json(client, "/two/explain/", {**SETOSA, "petal_width": "wide"})
    predicted = post_json(client, "/two/predict/", {**SETOSA, "petal_width": "wide"})
    assert problem(invalid, 400)["errors"] == problem(predicted, 400)["errors"]


def test_the_signals_are_those_of_a_prediction(app: Flask, client: FlaskClient) -> None:
    with record_signals(app) as recorder:
        explanations(client, "two", SETOSA)
        post_json(client, "/two/explain/", {})
    assert recorder.names == ["before-prediction", "after-prediction", "input-rejected"]
    (prediction,) = recorder.predictions
    assert (prediction.method, prediction.rows) == ("explain", 1)
    assert prediction.layout is not None
    assert prediction.layout.fields == FIELDS


def test_a_receiver_may_stop_an_explanation(app: Flask, client: FlaskClient) -> None:
    def stop(sender: Any, **extra: Any) -> None:
        raise PermissionError

    with before_prediction.connected_to(stop, app):
        assert post_json(client, "/two/explain/", SETOSA).status_code == 500


def test_in_process(app: Flask) -> None:
    models = app.extensions["skmodels"].models
    prediction = models.predict("two", FRAME, method="explain", app=app)
    outputs = prediction.outputs
    assert outputs.shape == (150, 6)
    assert outputs[:, :-1].sum(axis=1) == pytest.approx(TWO.decision_function(FRAME))
    means = dict(prediction.layout.importance(outputs))
    assert means["petal_length"] == pytest.approx(np.abs(outputs[:, 3]).mean())
    with pytest.raises(InvalidInput):
        models.predict("two", {"sepal_length": 1}, "explain", app=app)


def test_kserve_explains(client: FlaskClient) -> None:
    response = post_json(client, "/v1/models/two:explain", {"instances": [SETOSA]})
    assert response.get_json() == {"explanations": explanations(client, "two", SETOSA)}
    assert post_json(client, "/v1/models/none:explain", {"instances": []}).status_code == 404
    wrong = post_json(client, "/v1/models/two:explain", {"instances": [{}]})
    assert wrong.status_code == 400
    assert "required field" in wrong.get_json()["error"]


def test_kserve_explains_only_models_that_do() -> None:
    app = Flask("plain")
    app.config["SKMODELS_DIALECTS"] = ["kserve-v1"]
    SKModels(app).add("three", THREE)
    response = post_json(app.test_client(), "/v1/models/three:explain", {"instances": [SETOSA]})
    assert response.status_code == 404


def test_the_open_inference_protocol_has_no_such_tensor(client: FlaskClient) -> None:
    outputs = client.get("/v2/models/two").get_json()["outputs"]
    assert [tensor["name"] for tensor in outputs] == ["predict"]
    request = {
        "inputs": [
            {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [value]}
            for name, value in SETOSA.items()
        ],
        "outputs": [{"name": "explain"}],
    }
    assert post_json(client, "/v2/models/two/infer", request).status_code == 400


def test_the_api_document_describes_explanations(app: Flask) -> None:
    document = app.extensions["skmodels"].models.openapi(app)
    assert document["paths"]["/two/explain/"]["post"]["summary"].startswith("Explain")
    schemas = document["components"]["schemas"]
    one = schemas["two.explain.Answer"]["properties"]["explanations"]["items"]["properties"]
    assert one["base"] == {"type": "number"}
    assert list(one["contributions"]["properties"]) == list(FIELDS)
    assert one["rule"] == {"type": "string", "const": "linear_mean"}
    three = schemas["three.explain.Answer"]["properties"]["explanations"]["items"]["properties"]
    number = {"type": "number"}
    assert three["output"] == {"type": "array", "items": number, "minItems": 3, "maxItems": 3}


@pytest.mark.full
def test_the_api_document_is_valid(app: Flask) -> None:
    document = app.extensions["skmodels"].models.openapi(app)
    library("openapi_spec_validator").validate(document)


def test_the_method_is_listed(client: FlaskClient) -> None:
    assert client.get("/forest/").get_json()["methods"] == ["predict", "predict_proba", "explain"]


def test_the_command_explains_a_file(app: Flask, tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([SETOSA]), "utf-8")
    text = output(app, "predict", "two", str(file), "--method", "explain")
    assert json.loads(text)["explanations"] == explanations(app.test_client(), "two", SETOSA)


def test_an_explanation_that_does_not_add_up_is_an_error(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = Linear.__call__
    monkeypatch.setattr(Linear, "__call__", lambda self, X: right(self, X) * 1.0001)
    with caplog.at_level(logging.ERROR):
        response = post_json(client, "/two/explain/", SETOSA)
    assert problem(response, 500)["errors"] == []
    assert "contributions" not in response.text
    assert "base + contributions differ from the output" in caplog.text


def test_wrong_explanations_are_refused_at_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linear, "__call__", lambda self, X: np.ones((len(X), 3, 5)))
    with pytest.raises(ModelError, match="differ from the output by more than 1e-09"):
        SKModels().add("three", THREE, explain=True)


def test_large_coefficients_that_cancel_are_within_the_tolerance() -> None:
    """Two columns of one field whose coefficients are large and cancel each other out."""
    double = FunctionTransformer(lambda frame: np.hstack([frame, frame]))
    frame = FRAME[["sepal_length"]]
    pipeline = make_pipeline(double, LinearRegression()).fit(frame, X[:, 3])
    pipeline[-1].coef_ = np.array([1e12 / 3, -1e12 / 3])
    app = Flask("large")
    SKModels(app).add("large", pipeline, explain=True, engine="sklearn")
    assert explanations(app.test_client(), "large", {"sepal_length": 5.1})


def test_the_number_of_rows_that_trees_explain_is_limited(app: Flask) -> None:
    app = Flask("limited")
    app.config["SKMODELS_MAX_EXPLAINED_ROWS"] = 2
    models = SKModels(app)
    models.add("forest", FOREST, explain=True)
    models.add("own", FOREST, explain=True, max_explained_rows=3)
    models.add("two", TWO, explain=True)
    client = app.test_client()
    rows = [SETOSA] * 3
    refused = problem(post_json(client, "/forest/explain/", rows), 413)
    assert refused["errors"][0]["message"] == "at most 2 rows are allowed, 3 were sent"
    for path in ("/forest/predict/", "/own/explain/", "/two/explain/"):
        assert post_json(client, path, rows).status_code == 200


@pytest.mark.parametrize("value", [0, -1, True, "2", 1.5])
def test_the_limit_must_be_a_number_of_rows(value: Any) -> None:
    with pytest.raises(ModelError, match="max_explained_rows must be None or an integer"):
        SKModels().add("forest", FOREST, explain=True, max_explained_rows=value)


PAIR = FRAME[["sepal_length", "petal_length"]]
LABELS = np.where(Y == 2, "virginica", "other")
REFUSED: dict[str, tuple[Any, str]] = {
    "neighbors": (
        KNeighborsClassifier().fit(PAIR, Y),
        "its KNeighborsClassifier cannot be explained exactly by this library",
    ),
    "outliers": (IsolationForest(n_estimators=2).fit(PAIR.to_numpy()), "IsolationForest"),
    "adaboost": (AdaBoostRegressor(n_estimators=2).fit(PAIR, Y), "AdaBoostRegressor"),
    "stacking": (StackingRegressor([("r", Ridge())]).fit(PAIR, Y), "StackingRegressor"),
    "calibrated": (
        CalibratedClassifierCV(LogisticRegression(), cv=2).fit(PAIR, LABELS),
        "CalibratedClassifierCV",
    ),
    "kernel": (SVC().fit(PAIR, Y), "the kernel of its SVC is not linear"),
    "pairs": (SVC(kernel="linear").fit(PAIR, Y), "compares each pair of its 3 classes"),
    "votes": (
        VotingClassifier([("l", LogisticRegression(max_iter=500))]).fit(PAIR, Y),
        "voting='soft' can be explained",
    ),
    "probabilities": (
        VotingClassifier([("l", LogisticRegression())], voting="soft").fit(PAIR, LABELS),
        "for its LogisticRegression only the margin can be explained exactly, not predict_proba",
    ),
    "target": (
        TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1).fit(PAIR, Y),
        "the target of its TransformedTargetRegressor is transformed by a function",
    ),
    "link": (
        VotingRegressor([("p", PoissonRegressor())]).fit(PAIR, Y),
        "for its PoissonRegressor only the margin can be explained exactly, not predict",
    ),
    "bagging": (
        BaggingClassifier(LogisticRegression(), 2).fit(PAIR, LABELS),
        "for its LogisticRegression only the margin can be explained exactly, not predict_proba",
    ),
    "outputs": (
        MultiOutputClassifier(DecisionTreeClassifier()).fit(PAIR, np.c_[Y, Y]),
        "its MultiOutputClassifier predicts classes for several outputs",
    ),
    "several": (
        DecisionTreeClassifier().fit(PAIR, np.c_[Y, Y]),
        "its DecisionTreeClassifier predicts classes for several outputs",
    ),
    "labels": (
        OneVsRestClassifier(LogisticRegression()).fit(PAIR, np.c_[Y == 1, Y == 2].astype(int)),
        "its OneVsRestClassifier predicts several labels",
    ),
    "start": (
        GradientBoostingRegressor(init=Ridge(), n_estimators=2).fit(PAIR, Y),
        "starts from the predictions of another estimator",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_of_another_kind_is_refused_with_the_reason(name: str) -> None:
    estimator, reason = REFUSED[name]
    with pytest.raises(ModelError, match="it cannot be explained") as raised:
        SKModels().add("model", estimator, explain=True, engine="sklearn")
    assert reason in str(raised.value)


def test_a_model_that_overrides_what_is_explained_is_refused() -> None:
    class Own(Model):
        pipeline = LINE
        explain = True

        def predict(self, X: Any) -> Any:
            return self.pipeline.predict(X) * 2

    with pytest.raises(ModelError, match="because it overrides predict"):
        SKModels().register(Own)


def test_an_override_of_another_method_is_no_hindrance() -> None:
    class Own(Model):
        pipeline = TWO
        explain = True

        def predict(self, X: Any) -> Any:
            return np.where(self.pipeline.predict_proba(X)[:, 0] > 0.9, "other", "setosa")

    app = Flask("own")
    SKModels(app).register(Own)
    assert explanations(app.test_client(), "own", SETOSA)


def test_an_estimator_that_computes_in_single_precision() -> None:
    singles = FRAME.astype(np.float32)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(singles, IS_SETOSA)
    assert pipeline[-1].coef_.dtype == np.float32
    app = Flask("singles")
    SKModels(app).add("two", pipeline, explain=True, profile=Profile.of(singles, Y, pipeline))
    (entry,) = explanations(app.test_client(), "two", SETOSA)
    total = entry["base"] + sum(entry["contributions"].values())
    assert total == pytest.approx(entry["output"], rel=1e-5)


@pytest.mark.full
def test_onnx_predicts_and_the_estimator_is_explained() -> None:
    library("skl2onnx")
    app = Flask("onnx")
    SKModels(app).add("two", TWO, explain=True, engine="onnx", schema={name: {} for name in FIELDS})
    (entry,) = explanations(app.test_client(), "two", SETOSA)
    assert entry["output"] == pytest.approx(TWO.decision_function(pd.DataFrame([SETOSA]))[0])


def test_a_model_without_classes_for_its_outputs_is_refused() -> None:
    several = RidgeClassifier().fit(PAIR, np.c_[Y == 1, Y == 2].astype(int))
    with pytest.raises(ModelError, match="predicts several labels for a row"):
        SKModels().add("several", several, explain=True)


def test_explain_is_not_a_method_of_the_estimator() -> None:
    with pytest.raises(ModelError, match="set explain to True instead"):
        SKModels().add("three", THREE, methods=["predict", "explain"])


def test_a_model_that_does_not_explain_has_no_such_url() -> None:
    app = Flask("plain")
    SKModels(app).add("three", THREE)
    assert post_json(app.test_client(), "/three/explain/", SETOSA).status_code == 404


def test_the_number_of_fields_must_be_known() -> None:
    class Unknown(Ridge):
        pass

    estimator = Unknown().fit(PAIR, Y)
    del estimator.n_features_in_, estimator.feature_names_in_
    with pytest.raises(ModelError, match="the number of its fields is not known"):
        SKModels().add("model", estimator, explain=True)


def test_versions_are_explained_and_must_go_on_to_be(tmp_path: Path) -> None:
    put(tmp_path / "line", "1", LINE)
    put(tmp_path / "line", "2", LINE)
    app = application(Model(name="line", pipeline="line", explain=True), root=tmp_path)
    client = app.test_client()
    row = {"sepal_length": 5, "petal_length": 2}
    response = post_json(client, "/line/versions/1/explain/", row)
    assert response.get_json()["version"] == "1"
    assert post_json(client, "/line/explain/", row).get_json()["version"] == "2"
    put(tmp_path / "line", "3", KNeighborsClassifier().fit(PAIR, Y))
    app.extensions["skmodels"].models.refresh("line", app)
    assert post_json(client, "/line/explain/", row).get_json()["version"] == "2"


def test_explanations_are_not_in_the_log_nor_in_the_traffic(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = Flask("logged")
    app.config["SKMODELS_LOG_PREDICTIONS"] = True
    SKModels(app).add("two", TWO, explain=True)
    client = app.test_client()
    with caplog.at_level(logging.INFO):
        explanations(client, "two", SETOSA)
        explanations(client, "two", SETOSA, VIRGINICA)
    lines = [r.getMessage() for r in caplog.records if r.name.endswith("predictions")]
    assert len(lines) == 2
    assert not any("outputs" in line for line in lines)
    assert client.get("/two/traffic/", headers=HTML).status_code == 200


def test_the_helpers_for_tests_know_explanations() -> None:
    app, models = Flask("tested"), SKModels()
    models.add("two", TWO, explain=True, examples=[SETOSA])
    models.init_app(app)
    for example in examples_of(models):
        example.values[0].check(app.test_client())
    with fake_model(models, "two", predict="setosa"):
        faked = Flask("faked")
        models.init_app(faked)
        assert faked.test_client().post("/two/predict/", data=SETOSA).text == "setosa"


def test_row_whose_output_is_infinite_is_rejected() -> None:
    X = np.arange(20.0).reshape(-1, 2)
    app = Flask("infinite")
    models = SKModels(app)
    models.add("linear", LinearRegression().fit(X, X[:, 0] * 7), explain=True)
    models.add("poisson", PoissonRegressor().fit(X, X[:, 0]), explain=True)
    client = app.test_client()
    for name, value in (("linear", 1.7e308), ("poisson", 1e6), ("poisson", -1e6)):
        response = client.post(f"/{name}/explain/", json=[[value, value]])
        assert response.status_code in (400, 422), response.text
    assert client.post("/poisson/explain/", json=[[1, 2]]).status_code == 200
