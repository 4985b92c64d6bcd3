"""The help for tests: signals recorded, examples as cases, fake models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from flask_skmodels import (
    Artifact,
    InvalidInput,
    KeyValueModel,
    ModelError,
    SKModels,
    UnknownModel,
    ValuesModel,
    before_prediction,
)
from flask_skmodels.testing import Example, FakeEstimator, examples, fake_model, record_signals
from tests.support.helpers import SCHEMA, SETOSA, VIRGINICA, errors_of, line, post_json, predictions

PATH = "/iris/predict/"

# Signals


def test_recorder_hears_all_in_order(app: Flask, client: FlaskClient, models: SKModels) -> None:
    with record_signals(app) as signals:
        client.post(PATH, data=SETOSA)
        client.post(PATH, data={})
    assert signals.names == ["before-prediction", "after-prediction", "input-rejected"]
    assert [sent.name for sent in signals] == signals.names
    assert all(sent.sender is app for sent in signals)
    assert signals[-1]["model"] is models["iris"]
    assert [error.rule for error in signals[-1]["errors"]] == ["required"] * 4
    assert signals["input-rejected"] == [signals[2]]
    assert signals[:2] == [signals[0], signals[1]]
    assert [prediction.outputs.tolist() for prediction in signals.predictions] == [[0]]


def test_recorder_stops_at_the_end_of_its_block(app: Flask, client: FlaskClient) -> None:
    with record_signals(app) as signals, pytest.raises(KeyError):
        raise KeyError
    client.post(PATH, data=SETOSA)
    assert len(signals) == 0


def test_recorder_of_one_application_and_of_all(models: SKModels) -> None:
    first, second = Flask("first"), Flask("second")
    models.init_app(first)
    models.init_app(second)
    with record_signals(first) as one, record_signals() as every:
        models.predict("iris", SETOSA, app=first)
        models.predict("iris", SETOSA, app=second)
    assert [prediction.rows for prediction in one.predictions] == [1]
    assert [sent.sender for sent in every["after-prediction"]] == [first, second]


def test_recorder_hears_what_was_stopped(app: Flask, client: FlaskClient) -> None:
    def refuse(sender: Flask, **extra: Any) -> None:
        abort(403)

    with before_prediction.connected_to(refuse, app), record_signals(app) as signals:
        assert client.post(PATH, data=SETOSA).status_code == 403
    assert signals.names == ["before-prediction", "prediction-stopped"]


# Examples


class Iris(KeyValueModel):
    schema = SCHEMA
    probability = True
    examples = (SETOSA, list(VIRGINICA.values()))


def test_examples_are_cases_with_names(pipeline: Any) -> None:
    models = SKModels()
    models.register(Iris(pipeline=pipeline))
    models.add("other", pipeline, examples=[{"values": [5.1, 3.5, 1.4, 0.2]}])
    cases = examples(models)
    assert [case.id for case in cases] == ["iris-0", "iris-1", "other-0"]
    assert [case.values[0].row for case in cases[:2]] == [SETOSA, list(VIRGINICA.values())]


MODELS = SKModels(url_prefix="/models")
MODELS.register(
    Iris(pipeline=FakeEstimator(predict=1, predict_proba=[0.5, 0.5], classes=["a", "b"]))
)


@pytest.mark.parametrize("example", examples(MODELS))
def test_example(example: Example) -> None:
    app = Flask("examples")
    MODELS.init_app(app)
    with record_signals(app) as signals:
        example.check(app.test_client())
    assert [prediction.method for prediction in signals.predictions] == ["predict", "predict_proba"]


@pytest.mark.parametrize("row", [SETOSA | {"petal_width": -1}, {}, [1, 2]])
def test_example_that_is_not_valid(pipeline: Any, row: Any) -> None:
    models = SKModels()
    models.register(Iris(pipeline=pipeline))
    models["iris"].examples = [row]  # an invalid one would be refused at registration
    app = Flask("examples")
    models.init_app(app)
    [case] = examples(models)
    with pytest.raises(AssertionError, match=r"^POST /iris/predict/: 400 BAD REQUEST\n.*errors"):
        case.values[0].check(app.test_client())


# Fakes


def test_fake_answers_each_row_what_it_is_told(app: Flask, models: SKModels) -> None:
    fake = FakeEstimator(predict="setosa", predict_proba=[0.75, 0.25], classes=["setosa", "other"])
    models.add("fake", fake, schema=SCHEMA, probability=True)
    client = app.test_client()
    assert line(client.post("/fake/predict/", data=SETOSA)) == "setosa"
    response = post_json(client, "/fake/predict_proba/", [SETOSA, VIRGINICA])
    assert predictions(response) == [[0.75, 0.25]] * 2
    assert response.get_json()["classes"] == ["setosa", "other"]
    assert [method for method, _ in fake.calls] == ["predict", "predict_proba"]
    assert fake.calls[1][1].tolist() == [list(SETOSA.values()), list(VIRGINICA.values())]


def test_fake_answers_with_a_function_and_with_something_else_later(models: SKModels) -> None:
    app = Flask("fakes")
    fake = FakeEstimator(predict=lambda X: X[:, 0] * 2)
    models.add("fake", fake, schema=SCHEMA)
    models.init_app(app)
    assert models.predict("fake", SETOSA, app=app).outputs.tolist() == [10.2]
    fake.answers["predict"] = 7
    assert models.predict("fake", SETOSA, app=app).outputs.tolist() == [7]


def test_calls_of_a_fake_are_those_of_the_test(pipeline: Any) -> None:
    own = SKModels()
    own.add("flowers", pipeline, schema=SCHEMA, examples=[SETOSA])
    with fake_model(own, "flowers", predict=7) as fake:
        own.init_app(other := Flask("other"))
        assert fake.calls == []
        own.predict("flowers", SETOSA, app=other)
    assert [method for method, _ in fake.calls] == ["predict"]


def test_fake_raises_what_it_is_told(app: Flask, client: FlaskClient, models: SKModels) -> None:
    models.add("fake", FakeEstimator(predict=MemoryError("no")), schema=SCHEMA)
    with record_signals(app) as signals:
        assert client.post("/fake/predict/", data=SETOSA).status_code == 500
    assert isinstance(signals["prediction-failed"][0]["exception"], MemoryError)


@pytest.mark.parametrize("answers", [{}, {"predict": 1, "fit": 2}])
def test_fake_of_methods_that_are_none(answers: dict[str, Any]) -> None:
    with pytest.raises(
        TypeError, match=r"^the methods of a fake estimator are .*; given: (nothing|fit)"
    ):
        FakeEstimator(**answers)


def test_fake_has_no_other_method() -> None:
    with pytest.raises(AttributeError, match="no answer for 'transform'"):
        FakeEstimator(predict=1).transform([[1]])


def test_fake_in_a_models_place(models: SKModels, pipeline: Any) -> None:
    real = models["iris"]
    with fake_model(models, "iris", predict=2, predict_proba=[0.0, 0.25, 0.75]) as fake:
        app = Flask("fakes")
        models.init_app(app)
        models.add("late", pipeline)
        assert models["iris"].pipeline is fake
    client = app.test_client()
    assert line(client.post(PATH, data=SETOSA)) == "2"
    assert errors_of(client.post(PATH, data=SETOSA | {"petal_width": "-1"})) == [
        (0, "petal_width", "min")
    ]
    assert line(client.post("/iris/predict_proba/", data=SETOSA)) == "0.0,0.25,0.75"
    assert [method for method, _ in fake.calls] == ["predict", "predict_proba"]
    assert models["iris"] is real
    assert list(models) == ["iris", "late"]
    after = Flask("after")
    models.init_app(after)
    assert line(after.test_client().post(PATH, data=SETOSA)) == "0"


def test_fake_of_a_model_whose_file_is_not_there(tmp_path: Path) -> None:
    models = SKModels()

    @models.register
    class Iris(KeyValueModel):
        pipeline = Artifact(tmp_path / "missing.skops")
        schema = SCHEMA

        def predict(self, X: Any) -> Any:
            return [f"Iris {name}" for name in super().predict(X)]

    with fake_model(models, "iris", predict="setosa"):
        app = Flask("fakes")
        models.init_app(app)
    assert line(app.test_client().post(PATH, data=SETOSA)) == "Iris setosa"


def test_fake_knows_the_names_of_the_one_in_memory(mixed_pipeline: Any) -> None:
    models = SKModels()
    models.add("mixed", mixed_pipeline)
    with fake_model(models, "mixed", predict="heavy") as fake:
        app = Flask("fakes")
        models.init_app(app)
    response = post_json(app.test_client(), "/mixed/predict/", {"island": "Dream", "mass": 1})
    assert predictions(response) == ["heavy"]
    assert list(fake.calls[0][1][0]) == ["Dream", 1]


def test_fake_of_a_schema_that_only_the_file_knows(tmp_path: Path) -> None:
    models = SKModels()
    models.register(KeyValueModel(name="iris", pipeline=Artifact(tmp_path / "missing.skops")))
    with pytest.raises(ModelError, match="set schema"), fake_model(models, "iris", predict=1):
        pass


def test_fake_of_a_model_that_is_not_there(models: SKModels) -> None:
    with pytest.raises(UnknownModel), fake_model(models, "rose", predict=1):
        pass


def test_fake_of_a_model_of_values(line_pipeline: Any) -> None:
    models = SKModels()
    models.register(ValuesModel(name="line", pipeline=line_pipeline))
    with fake_model(models, "line", predict=4.0):
        app = Flask("fakes")
        models.init_app(app)
    assert models.predict("line", [[1, 2, 3]], app=app).outputs.tolist() == [4.0]
    with pytest.raises(InvalidInput):
        models.predict("line", [[1, 2]], app=app)


def test_fake_takes_missing_values_where_the_schema_does(tmp_path: Path) -> None:
    models = SKModels()
    schema = {"age": {"nullable": True}, "years": {"rename": "age"}, "income": {}}
    models.add("person", tmp_path / "missing.skops", schema=schema)
    with fake_model(models, "person", predict=1) as fake:
        app = Flask("fakes")
        models.init_app(app)
    assert models.predict("person", {"years": None, "income": 1}, app=app).outputs.tolist() == [1]
    assert models.predict("person", {"age": 37, "income": 1}, app=app).rows == 1
    with pytest.raises(InvalidInput):
        models.predict("person", {"age": 37, "income": None}, app=app)
    assert fake.calls[1][1].tolist() == [[37.0, 1.0]]


def test_fake_predicts_the_likeliest_of_its_classes(models: SKModels) -> None:
    with fake_model(models, "iris", predict_proba=[0.2, 0.8], classes=["a", "b"]) as fake:
        app = Flask("fakes")
        models.init_app(app)
    prediction = models.predict("iris", SETOSA, "predict_proba", app=app)
    assert (prediction.method, prediction.classes) == ("predict_proba", ["a", "b"])
    assert models.predict("iris", SETOSA, app=app).outputs.tolist() == ["b"]
    assert fake.predict([[1], [2]]).tolist() == ["b", "b"]


def test_examples_without_models_are_an_error() -> None:
    with pytest.raises(ModelError, match="import the module that registers the models"):
        examples(SKModels())


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (
            {"score_samples": 1},
            "does not serve score_samples. Also give an answer for predict, predict_proba",
        ),
        ({"predict": 1}, "predict, predict_proba. Also give an answer for predict_proba$"),
        (
            {"predict": 1, "predict_proba": [0.5, 0.5], "score_samples": 1},
            "predict, predict_proba. It does not serve score_samples$",
        ),
    ],
)
@pytest.mark.parametrize("is_loaded", [True, False])
def test_fake_that_changes_the_interface(
    models: SKModels, answers: dict[str, Any], message: str, is_loaded: bool
) -> None:
    if not is_loaded:
        models = SKModels()
        models.add("iris", Artifact("none.skops"), schema=SCHEMA, probability=True)
    with (
        pytest.raises(
            ModelError, match=f"must answer the methods that model 'iris' serves: .*{message}"
        ),
        fake_model(models, "iris", **answers),
    ):
        pass


def test_fake_takes_the_classes_of_the_estimator(models: SKModels) -> None:
    with fake_model(models, "iris", predict_proba=[0.1, 0.8, 0.1]):
        app = Flask("fakes")
        models.init_app(app)
    assert models.predict("iris", SETOSA, app=app).outputs.tolist() == [1]


def test_fake_of_a_model_with_a_method_of_its_own(pipeline: Any) -> None:
    """The method that the class computes from another one needs no answer."""
    models = SKModels()

    @models.register
    class Sure(KeyValueModel):
        pipeline = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
        schema = {"x": {}}
        methods = ["predict", "decision_function"]

        def decision_function(self, X: Any) -> Any:
            return self.predict(X) * 2

    with fake_model(models, "sure", predict=3):
        app = Flask("fakes")
        models.init_app(app)
    outputs = models.predict("sure", [[1]], "decision_function", app=app).outputs
    assert outputs.tolist() == [6]


def test_fake_of_a_transformer_in_a_file() -> None:
    models = SKModels()
    models.add("scaler", Artifact("none.skops"), schema={"x": {}})
    with fake_model(models, "scaler", transform=[3.0]):
        app = Flask("fakes")
        models.init_app(app)
    assert list(app.extensions["skmodels"].deployments["scaler"].versions.methods) == ["transform"]
