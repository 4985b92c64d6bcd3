"""An application that is shut down without losing requests.

In this folder, with gunicorn or with granian::

    export FLASK_SKMODELS_DRAIN_FILE=/tmp/draining DRAIN_SECONDS=10
    gunicorn --config gunicorn.conf.py 'app:create_app()'
    python granian_server.py

After the signal TERM, requests still get their responses for ten seconds, but the application is no
longer ready::

    curl -i localhost:8000/-/health/ready
"""

from flask import Flask, redirect
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from flask_skmodels import SKModels

models = SKModels()
models.add("iris", LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True)))


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.from_prefixed_env()  # SKMODELS_DRAIN_FILE from FLASK_SKMODELS_DRAIN_FILE
    models.init_app(app)
    app.add_url_rule("/", "start", lambda: redirect("-/"))  # the list of models
    return app
