from flask import Flask, redirect
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import KeyValueModel, SKModels

models = SKModels()


@models.register
class Iris(KeyValueModel):
    """Species of an iris flower."""

    name = "iris"
    probability = True
    pipeline = make_pipeline(StandardScaler(), LogisticRegression())
    pipeline.fit(*load_iris(return_X_y=True))
    schema = {
        "sepal_length": {"min": 0},
        "sepal_width": {"min": 0},
        "petal_length": {"min": 0},
        "petal_width": {"min": 0},
    }
    examples = [{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]


def create_app() -> Flask:
    app = Flask(__name__)
    models.init_app(app)
    app.add_url_rule("/", "start", lambda: redirect("-/"))  # the list of models
    return app
