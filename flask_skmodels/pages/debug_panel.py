"""A panel of Flask-DebugToolbar: the predictions of a request, and how their time is spent.

This module needs Flask-DebugToolbar, which imports it by the name in ``DEBUG_TB_PANELS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from flask import Flask, g, has_app_context, render_template
from flask_debugtoolbar.panels import DebugPanel

from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model
from flask_skmodels.signals import (
    after_prediction,
    input_rejected,
    prediction_failed,
    prediction_refused,
    prediction_stopped,
)
from flask_skmodels.state import State

_CALLS = "_skmodels_debug_calls"  # the attribute of ``flask.g``
_OUTCOMES = {
    after_prediction: "predicted",
    input_rejected: "rejected",
    prediction_stopped: "stopped",
    prediction_failed: "failed",
    prediction_refused: "refused",
}


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of a model during a request.

    :param model: name of the model
    :param version: label of the version, None if the model has no versions
    :param method: name of the estimator's method
    :param engine: name of the engine, empty if the version is no longer loaded
    :param outcome: ``"predicted"``, ``"rejected"``, ``"stopped"``, ``"failed"`` or ``"refused"``
    :param prediction: the record, None if the rows were not valid
    """

    model: str
    version: str | None
    method: str
    engine: str
    outcome: str
    prediction: Prediction | None

    @property
    def seconds(self) -> float:
        """The seconds of all stages."""
        record = self.prediction
        if record is None:
            return 0.0
        return record.decode + record.validate + record.queue + record.seconds


class PredictionsPanel(DebugPanel):
    """The predictions of a request: model, version, engine, rows, and the time of each stage.

    Add ``"flask_skmodels.pages.debug_panel.PredictionsPanel"`` to ``DEBUG_TB_PANELS``.
    """

    name = "Predictions"
    has_content = True

    @classmethod
    def init_app(cls, app: Flask) -> None:
        """Record the predictions of an application; the toolbar calls this when it starts."""
        for signal, receiver in _RECEIVERS.items():
            signal.connect(receiver, app)

    def nav_title(self) -> str:
        return "Predictions"

    def nav_subtitle(self) -> str:
        calls = _calls()
        took = sum(call.seconds for call in calls)
        return f"{len(calls)} in {took * 1000:.3g} ms" if calls else "none"

    def title(self) -> str:
        return "Predictions of this request"

    def url(self) -> str:
        return ""

    def content(self) -> str:
        return render_template("skmodels/_debug_panel.html", calls=_calls())

    def process_request(self, request: Any) -> None:
        setattr(g, _CALLS, [])


def _calls() -> list[RecordedCall]:
    found: list[RecordedCall] = g.get(_CALLS, [])
    return found


def _receiver(outcome: str) -> Any:
    def record(sender: Flask, model: Model, **arguments: Any) -> None:
        calls = g.get(_CALLS) if has_app_context() else None
        prediction = arguments.get("prediction")
        if calls is None or getattr(prediction, "is_probe", False):
            return
        about = SimpleNamespace(**arguments) if prediction is None else prediction
        engine = _engine_of(sender, model, about.version)
        calls.append(
            RecordedCall(model.name, about.version, about.method, engine, outcome, prediction)
        )

    return record


def _engine_of(sender: Flask, model: Model, label: str | None) -> str:
    states = (state for state in sender.extensions.values() if isinstance(state, State))
    for state in states:
        found = state.deployments.get(model.name)
        if found is not None and model.registered_with is state.models:
            version = found.versions.loaded(label)
            return "" if version is None else str(version.engine.name)
    return ""


_RECEIVERS = {signal: _receiver(outcome) for signal, outcome in _OUTCOMES.items()}
