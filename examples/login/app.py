"""Predictions for logged-in users only, with a rate limit.

Requires ``pip install flask-login flask-limiter``. Choose a password and run it::

    DEMO_PASSWORD=... flask --app examples/login/app.py run

Log in, keep the cookie, and request a prediction. Without the cookie the response is 401, and after
five requests in a minute it is 429. The health addresses need no login::

    curl -c cookies -d user=ada -d password=... localhost:5000/login
    curl -b cookies -d values=5.1,3.5,1.4,0.2 localhost:5000/iris/predict/
    curl localhost:5000/-/health/ready
"""

import os
import secrets

from flask import Flask, abort, current_app, redirect, request
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, UserMixin, current_user, login_required, login_user
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from flask_skmodels import SKModels, ValuesModel

USERS = {"ada", "grace"}


def user_or_address() -> str:
    return str(current_user.get_id() or get_remote_address())


login_manager = LoginManager()
limiter = Limiter(user_or_address, storage_uri="memory://")
models = SKModels(decorators=[login_required])


@models.register
class Iris(ValuesModel):
    """Species of an iris flower."""

    pipeline = LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    decorators = [limiter.limit("5 per minute")]


class User(UserMixin):
    def __init__(self, name: str) -> None:
        self.id = name


@login_manager.user_loader  # type: ignore[untyped-decorator]
def load_user(name: str) -> User | None:
    return User(name) if name in USERS else None


def login() -> str:
    name, password = request.form.get("user", ""), request.form.get("password", "")
    expected = current_app.config["DEMO_PASSWORD"]
    if name not in USERS or not secrets.compare_digest(password.encode(), expected.encode()):
        abort(401)
    login_user(User(name))
    return name


def create_app() -> Flask:
    app = Flask(__name__)
    # Without SECRET_KEY, each process generates its own key, and a restart logs everybody out.
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex()
    app.config["SKMODELS_VISIBLE"] = True  # the model's decorator is no login, the extension's is
    app.config["DEMO_PASSWORD"] = os.environ.get("DEMO_PASSWORD") or secrets.token_hex()
    login_manager.init_app(app)
    limiter.init_app(app)
    models.init_app(app)
    app.add_url_rule("/", "start", lambda: redirect("-/"))  # the list of models
    app.add_url_rule("/login", view_func=limiter.limit("10 per minute")(login), methods=["POST"])
    return app
