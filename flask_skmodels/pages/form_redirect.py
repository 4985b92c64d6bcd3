"""The redirect of a browser from the URL of a prediction to the form of the model."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from flask import Response, redirect

from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.pages.page import base_of, varied
from flask_skmodels.state import State
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.views import BaseView

REDIRECTED = "redirected"  # the parameter of a form to which a browser was redirected


class FormRedirect(BaseView):
    """``GET /{name}/{method}/`` of a browser; a ``POST`` to this URL predicts.

    :param state: the extension on this application
    :param deployment: the model
    """

    is_for_browsers: ClassVar[bool] = True

    def __init__(self, state: State, deployment: Deployment) -> None:
        self._state = state
        self._name = deployment.name

    def respond(self, exchange: Exchange) -> Response:
        label = exchange.label
        parameters = ({} if label is None else {"version": label}) | {REDIRECTED: "1"}
        base = base_of(self._state, exchange.request)
        page = f"{base}/{self._name}/?{urlencode(parameters)}"
        return varied(exchange.app.make_response(redirect(page, 303)))
