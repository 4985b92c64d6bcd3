"""An audit table: each prediction and each rejected request is saved in a database.

Requires ``pip install flask-sqlalchemy``. Run it::

    flask --app examples/audit/app.py run

Send requests to the model, then read the table in ``instance/audit.sqlite`` next to this file::

    curl -d values=5.1,3.5,1.4,0.2 localhost:5000/iris/predict/
    curl -d values=5.1,3.5 localhost:5000/iris/predict/
    curl localhost:5000/audit
"""

from typing import Any

from flask import Flask, redirect
from flask_sqlalchemy import SQLAlchemy
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_skmodels import InputError, Prediction, SKModels, after_prediction, input_rejected


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)
models = SKModels()
models.add("iris", LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True)))


class Audit(db.Model):  # type: ignore[name-defined]  # made at run time
    """One prediction, or one rejected request, which has errors."""

    id: Mapped[int] = mapped_column(primary_key=True)
    request_id: Mapped[str | None]
    method: Mapped[str]
    inputs: Mapped[Any] = mapped_column(JSON, default=list)
    outputs: Mapped[Any] = mapped_column(JSON, default=list)
    errors: Mapped[Any] = mapped_column(JSON, default=list)


def record_prediction(app: Flask, prediction: Prediction, **extra: object) -> None:
    record = prediction.as_dict()
    write(app, **{name: record[name] for name in ("request_id", "method", "inputs", "outputs")})


def record_rejection(app: Flask, method: str, errors: tuple[InputError, ...], **extra: Any) -> None:
    write(app, extra["request_id"], method, errors=[error.as_dict() for error in errors])


def write(app: Flask, request_id: str | None, method: str, **values: object) -> None:
    """Save a row in a separate session, so that the session of the view is not committed."""
    with app.app_context():
        db.session.add(Audit(request_id=request_id, method=method, **values))
        db.session.commit()


def create_app(database: str = "sqlite:///audit.sqlite") -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = database
    db.init_app(app)
    models.init_app(app)
    app.add_url_rule("/", "start", lambda: redirect("-/"))  # the list of models
    after_prediction.connect(record_prediction, app)
    input_rejected.connect(record_rejection, app)
    app.add_url_rule("/audit", view_func=audit)
    with app.app_context():
        db.create_all()
    return app


def audit() -> list[dict[str, Any]]:
    rows = db.session.scalars(db.select(Audit).order_by(Audit.id))
    return [{"inputs": r.inputs, "outputs": r.outputs, "errors": r.errors} for r in rows]
