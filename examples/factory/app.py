"""An application factory with its own configuration and blueprints.

Run it::

    flask --app examples/factory/app.py run

The model is served below the prefix in the configuration, next to the pages of the application. One
of these pages calls the model in the same process::

    curl -d alcohol=13.7 -d malic_acid=1.8 -d flavanoids=3.1 -d color_intensity=5.6 \
        localhost:5000/models/cultivar/predict/
    curl localhost:5000/cellar/2
"""

from typing import Any

from flask import Blueprint, Flask, abort

from examples.factory.models import models

WINES = [
    {"label": "1", "row": [14.2, 1.7, 3.0, 5.6]},
    {"label": "2", "row": [12.4, 0.9, 0.6, 2.0]},
    {"label": "3", "row": [13.3, 4.0, 0.7, 9.2]},
]


class Config:
    """Configuration of the application; tests and deployments can pass another."""

    SKMODELS_URL_PREFIX = "/models"
    SKMODELS_MAX_ROWS = 1000


pages = Blueprint("pages", __name__)
cellar = Blueprint("cellar", __name__, url_prefix="/cellar")


@pages.get("/")
def index() -> dict[str, Any]:
    return {"models": list(models), "wines": len(WINES)}


@cellar.get("/<int:number>")
def cultivar(number: int) -> dict[str, Any]:
    if number not in range(len(WINES)):
        abort(404)
    wine = WINES[number]
    prediction = models.predict("cultivar", [wine["row"]])
    return {"label": wine["label"], "cultivar": prediction.outputs[0]}


def create_app(config: object = Config) -> Flask:
    app = Flask(__name__)
    app.config.from_object(config)
    models.init_app(app)
    app.register_blueprint(pages)
    app.register_blueprint(cellar)
    return app
