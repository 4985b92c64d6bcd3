"""A model with numbers, texts and missing values that predicts the species of a penguin.

Requires ``pip install palmerpenguins``. Run it::

    flask --app examples/penguins/app.py run

Some measurements of the birds are missing, and the pipeline was fitted with missing values. In a
form a missing value is an empty text, in JSON it is null, and in both it can be left out. If
``island`` is left out, it has a default::

    curl -d bill_length_mm=39.1 -d bill_depth_mm=18.7 -d flipper_length_mm=181 -d body_mass_g= \
        -d sex=male localhost:5000/penguins/predict/
    curl --json '{"bill_length_mm": 46.1, "bill_depth_mm": 13.2, "flipper_length_mm": 211,
        "body_mass_g": 4500, "island": "Biscoe", "sex": null}' localhost:5000/penguins/predict/
"""

from flask import Flask, redirect
from palmerpenguins import load_penguins
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from flask_skmodels import KeyValueModel, SKModels

NUMBERS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
TEXTS = ["island", "sex"]


def fit() -> Pipeline:
    """Return a pipeline that was fitted on the data frame including its missing values."""
    frame = load_penguins()
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer((numbers, NUMBERS), (texts, TEXTS))
    pipeline = make_pipeline(columns, LogisticRegression(max_iter=1000))
    return pipeline.fit(frame[NUMBERS + TEXTS], frame["species"])


models = SKModels()


@models.register
class Penguins(KeyValueModel):
    """Species of a penguin of the Palmer Archipelago."""

    probability = True
    pipeline = fit()
    schema = {
        "bill_length_mm": {"min": 0, "nullable": True},
        "bill_depth_mm": {"min": 0, "nullable": True},
        "flipper_length_mm": {"min": 0, "nullable": True},
        "body_mass_g": {"min": 0, "nullable": True},
        "island": {"allowed": ["Biscoe", "Dream", "Torgersen"], "default": "Biscoe"},
        "sex": {"allowed": ["female", "male"], "nullable": True},
    }


def create_app() -> Flask:
    app = Flask(__name__)
    models.init_app(app)
    app.add_url_rule("/", "start", lambda: redirect("-/"))  # the list of models
    return app
