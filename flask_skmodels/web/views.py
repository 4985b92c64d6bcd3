"""The views of models, and the base class of all views."""

from __future__ import annotations

from typing import ClassVar

from flask import Response
from flask.views import View
from numpy import ndarray
from werkzeug.exceptions import NotFound

from flask_skmodels.codecs.parts import FEW_CELLS, are_large
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.state import State
from flask_skmodels.web.body import Body
from flask_skmodels.web.deferred import WholeResponse
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.negotiation import Negotiator
from flask_skmodels.web.predict import Predictor
from flask_skmodels.web.responses import ErrorForm, ProblemDocuments, json_response


class BaseView(View):
    """Base class of the views. ``fast_path.view_function`` calls them and adds the headers."""

    methods: ClassVar[list[str]] = ["GET"]
    is_for_browsers: ClassVar[bool] = False  # whether only browsers find a rule for the view
    errors: ClassVar[ErrorForm] = ProblemDocuments()

    def respond(self, exchange: Exchange) -> Response:
        """Return the response to a request."""
        raise NotImplementedError

    def refuse(self, exchange: Exchange, exception: Exception) -> Response:
        """Return a response for an exception that :meth:`respond` has raised."""
        return self.errors.response(exception, exchange.request)


class PredictionView(BaseView):
    """``POST /{name}/{method}/`` and ``/{name}/versions/{version}/{method}/``.

    :param predictor: predicts with the model
    :param method: name of the estimator's method; None for the first method of the version
    """

    methods: ClassVar[list[str]] = ["POST"]

    def __init__(self, predictor: Predictor, method: str | None) -> None:
        self._predictor = predictor
        self._method = method
        self._negotiator = Negotiator()

    def respond(self, exchange: Exchange) -> Response:
        version = self._predictor.version(exchange)
        method = self._method or version.default_method
        if method not in version.methods:
            raise NotFound("this version does not serve the method")
        body = Body(exchange.request, self._predictor.budget)
        source, plan = self._negotiator.plan(exchange.request, body, version.schema)
        prediction = self._predictor.predict(exchange, version, method, plan.reader, source)
        outputs = prediction.outputs
        if (type(outputs) is not ndarray or outputs.size > FEW_CELLS) and are_large(outputs):
            return Response(plan.writer.encode_parts(prediction), content_type=plan.content_type)
        return WholeResponse(plan.writer.encode(prediction), plan.content_type)


class ModelView(BaseView):
    """``GET /{name}/``: the description of a model.

    :param deployment: the model
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def respond(self, exchange: Exchange) -> Response:
        return json_response(self._deployment.describe(exchange.app))


class ModelsView(BaseView):
    """``GET /-/models``: the models that the visitor may see.

    :param state: the extension on this application
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def respond(self, exchange: Exchange) -> Response:
        visible = self._state.visible()
        return json_response({"models": [deployment.summary() for deployment in visible]})
