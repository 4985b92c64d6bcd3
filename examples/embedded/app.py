"""A form and a prediction in a page of the application's own, in its own style.

Run it, and open http://localhost:5000/::

    flask --app examples/embedded/app.py run

The page is ``templates/start.html``. Its two lines of the library draw the form, with the errors
beside their fields, and the prediction.
"""

from flask import Flask, render_template
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from flask_skmodels import KeyValueModel, SKModels

LENGTH = {"min": 0, "max": 30, "meta": {"unit": "cm"}}

models = SKModels(url_prefix="/models")


@models.register
class Iris(KeyValueModel):
    """Species of an iris flower."""

    probability = True
    pipeline = LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    schema = {
        "sepal_length": LENGTH,
        "sepal_width": LENGTH,
        "petal_length": LENGTH,
        "petal_width": LENGTH,
    }
    examples = [[5.1, 3.5, 1.4, 0.2]]


def start() -> str:
    return render_template("start.html")


def create_app() -> Flask:
    app = Flask(__name__)
    models.init_app(app)
    app.add_url_rule("/", view_func=start, methods=["GET", "POST"])
    return app
