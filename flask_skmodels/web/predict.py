"""The steps of a prediction over HTTP: choose the version, read, validate, predict."""

from __future__ import annotations

from typing import Protocol, TypeVar

from werkzeug.exceptions import NotFound

from flask_skmodels.config import Settings
from flask_skmodels.exceptions import UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.limits import Limits
from flask_skmodels.inference.prediction import Prediction, prepare, rejecting
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.cross_site import check_origin
from flask_skmodels.web.exchange import Exchange

S_contra = TypeVar("S_contra", contravariant=True)
S = TypeVar("S")


class Reader(Protocol[S_contra]):
    """Reads the rows of a request, as a codec does."""

    def decode(self, source: S_contra, schema: Schema) -> Rows:
        """Return the rows in a body."""
        ...


class Predictor:
    """Predicts with one model over HTTP. Views, pages and dialects each hold one.

    :param deployment: the model
    :param settings: the extension's configuration on this application
    :ivar limits: the limits on a request to the model
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self.deployment = deployment
        self.limits = Limits.of(deployment.model, settings)
        self._trusted_origins = settings.trusted_origins
        self._has_timing = settings.server_timing

    def version(self, exchange: Exchange) -> ModelVersion:
        """Return the version that serves a request: the one that its URL names, or the canary that
        its key selects, or the live version.

        :raises CrossSite: a page of another site sent the request
        :raises NotFound: the model has no such version
        :raises SKModelsError: the version cannot be loaded
        """
        deployment, app = self.deployment, exchange.app
        check_origin(exchange.request, self._trusted_origins)
        has_key = exchange.label is None and deployment.model.traffic
        key = deployment.canaries.key(app, exchange.request) if has_key else None
        try:
            version = deployment.version(app, exchange.label, key)
        except UnknownModel as error:
            raise NotFound("the model has no such version") from error
        exchange.version = version.label
        return version

    def predict(
        self,
        exchange: Exchange,
        version: ModelVersion,
        method: str,
        reader: Reader[S],
        source: S,
        *,
        request_id: str | None = None,
    ) -> Prediction:
        """Read the rows of a request and predict them.

        The shadow also runs, unless the URL names the version.

        :param exchange: the request and its response
        :param version: the version to call, from :meth:`version`
        :param method: name of the estimator's method
        :param reader: reads the rows
        :param source: the body that contains the rows
        :param request_id: identifier of the prediction, by default that of the request
        :raises TooLarge: the body unpacks to more bytes than are allowed
        :raises InvalidInput: the rows cannot be read, are too many, or are not valid; or the model
            or its estimator rejects them
        :raises Exception: the exception of a receiver of ``before_prediction`` or of the estimator
        """
        deployment = self.deployment
        call = deployment.call(exchange.app, version, method, request_id or exchange.request_id)
        with rejecting(call):
            rows = reader.decode(source, version.schema)
            prediction = prepare(call, rows, self.limits)
        deployment.execute(call, prediction, is_shadowed=exchange.label is None)
        if self._has_timing:
            exchange.time(prediction)
        return prediction
