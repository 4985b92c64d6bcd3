"""The URLs of the drift as JSON: for all visible models, and for each model."""

from __future__ import annotations

from flask import Response
from werkzeug.exceptions import NotFound

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.telemetry.drift.drift import DriftReport
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.responses import json_response
from flask_skmodels.web.url_rules import add_url_rule
from flask_skmodels.web.views import BaseView


class DriftsView(BaseView):
    """``GET /-/drift/``: the drift of the visible models that are loaded and have a profile.

    :param state: the extension on this application
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        drift = self._state.drift
        reports = [drift.report(each) for each in self._state.visible()] if drift else []
        documents = [report.document() for report in reports if report is not None]
        return json_response({"models": documents})


class DriftView(BaseView):
    """``GET /{name}/drift/``: the drift of a model, without a page.

    :param state: the extension on this application
    :param deployment: the model
    """

    def __init__(self, state: State, deployment: Deployment) -> None:
        self._state = state
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        return json_response(report_of(self._state, self._deployment, exchange).document())


def report_of(state: State, deployment: Deployment, exchange: Exchange) -> DriftReport:
    """Return the drift of the live version of a model; load the model first if necessary.

    :raises NotFound: the version has no profile
    """
    version = deployment.current(exchange.app)
    report = None if state.drift is None else state.drift.report(deployment, version)
    if report is None:
        raise NotFound("the model has no profile of its training data, so no drift is measured")
    return report


def add_rules(state: State) -> None:
    """Add the URL of the drift of all models, unless drift is turned off."""
    if state.drift is not None:
        view = DriftsView(state)
        add_url_rule(state, "-:drift", "/-/drift/", view, decorators=state.decorators)


def add_model_rules(state: State, deployment: Deployment) -> None:
    """Begin to count the rows of a model, and add the URL of its drift if there are no pages."""
    if state.drift is None:
        return
    state.drift.watch(deployment)
    if not state.settings.pages:
        name, view = deployment.name, DriftView(state, deployment)
        decorators = state.decorators_of(deployment)
        add_url_rule(state, f"{name}:drift", f"/{name}/drift/", view, decorators=decorators)
