"""The steps of a prediction over HTTP: choose the version, read, validate, predict."""

from __future__ import annotations

from typing import Protocol, TypeVar

import numpy as np

from flask_skmodels.config import Settings
from flask_skmodels.exceptions import InvalidInput, OverBudget, UnknownModel
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction, PredictionCall, prepare, rejecting
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.models import EXPLAIN
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import ModelOutput
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.body import Body
from flask_skmodels.web.cross_site import check_origin
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.http_errors import NoSuchVersion

S_contra = TypeVar("S_contra", contravariant=True)
S = TypeVar("S")


class Reader(Protocol[S_contra]):
    """Reads the rows of a request, as a codec does."""

    def decode(self, source: S_contra, schema: Schema) -> Rows:
        """Return the rows in a body."""
        ...


class Predictor:
    """Predicts with one model over HTTP. Views, pages and dialects each have a predictor.

    :param deployment: the model
    :param settings: the extension's configuration on this application
    :ivar budget: the limits on a request to the model
    """

    def __init__(self, deployment: Deployment, settings: Settings) -> None:
        self.deployment = deployment
        self.budget = Budget.of(deployment.model, settings)
        self._trusted_origins = settings.trusted_origins
        self._has_timing = settings.server_timing

    def version(self, exchange: Exchange) -> ModelVersion:
        """Return the version for a request: the one in its URL, the canary of its key, or the live.

        :raises CrossSite: a page of another site sent the request
        :raises NoSuchVersion: the model has no such version
        :raises SKModelsError: the version cannot be loaded
        """
        deployment, app = self.deployment, exchange.app
        environ = exchange.request.environ
        if "HTTP_ORIGIN" in environ or "HTTP_SEC_FETCH_SITE" in environ:
            check_origin(exchange.request, self._trusted_origins)
        has_key = exchange.label is None and deployment.model.traffic
        key = deployment.canaries.key(app, exchange.request) if has_key else None
        try:
            version = deployment.version(app, exchange.label, key, is_client=True)
        except UnknownModel as error:
            raise NoSuchVersion from error
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
        :param request_id: identifier of the prediction, by default the identifier of the request
        :raises OverBudget: the body unpacks to too many bytes, the body has too many rows or cells,
            or the response would have too many cells
        :raises InvalidInput: the rows cannot be read or are not valid; or the model or its
            estimator rejects them
        :raises Overloaded: too many predictions are in progress
        :raises TimedOut: the prediction has waited too long for others, or takes too long
        :raises Exception: the exception of a receiver of ``before_prediction`` or of the estimator
        """
        deployment = self.deployment
        budget = self._explaining_budget(version) if method == EXPLAIN else self.budget
        call = deployment.call(exchange.app, version, method, request_id or exchange.request_id)
        call.limit = deployment.timeout
        if not deployment.limits:
            return self._run(exchange, call, reader, source, budget)
        # The whole body is read first, so that a slow client does not block other requests.
        Body(exchange.request, self.budget).read()
        with deployment.admission(call) as call.waited:
            return self._run(exchange, call, reader, source, budget)

    def _run(
        self,
        exchange: Exchange,
        call: PredictionCall,
        reader: Reader[S],
        source: S,
        budget: Budget,
    ) -> Prediction:
        """Make a call, within the limits; see :meth:`predict`."""
        # ``rejecting`` does the same, but takes four more calls.
        try:
            rows = reader.decode(source, call.version.schema)
            prediction = prepare(call, rows, budget)
        except InvalidInput as error:
            call.notify_rejected(error)
            raise
        self.deployment.execute(call, prediction, is_shadowed=exchange.label is None)
        outputs = prediction.outputs
        is_plain = type(outputs) is np.ndarray and not outputs.dtype.hasobject
        if not is_plain or outputs.nbytes > self.budget.max_cells:
            self._check_response(call, prediction)
        if self._has_timing:
            exchange.time(prediction)
        return prediction

    def _check_response(self, call: PredictionCall, prediction: Prediction) -> None:
        """Check the size of a response before it is made.

        :raises OverBudget: the response would have too many cells
        """
        try:
            self.budget.check_response(prediction.rows, prediction.outputs)
        except OverBudget as error:
            call.notify_rejected(error, prediction)
            raise

    def prepared(
        self, exchange: Exchange, version: ModelVersion, method: str, rows: Rows
    ) -> Prediction:
        """Validate rows without predicting them; see :meth:`predict`.

        :returns: the record of the prediction, without outputs
        """
        call = self.deployment.call(exchange.app, version, method, exchange.request_id)
        with self.deployment.admission(call) as call.waited, rejecting(call):
            budget = self._explaining_budget(version) if method == EXPLAIN else self.budget
            return prepare(call, rows, budget)

    def check_response(
        self,
        exchange: Exchange,
        version: ModelVersion,
        prediction: Prediction,
        outputs: ModelOutput,
    ) -> None:
        """Check the size of the response to a prediction that is made in parts.

        :param prediction: the record of the prediction of all rows
        :param outputs: the outputs of all rows, or of some of them
        :raises OverBudget: the response would have too many cells
        """
        method, request_id = prediction.method, exchange.request_id
        call = self.deployment.call(exchange.app, version, method, request_id)
        with rejecting(call):
            self.budget.check_response(prediction.rows, outputs)

    def _explaining_budget(self, version: ModelVersion) -> Budget:
        is_slow = version.explainer is not None and version.explainer.is_slow
        return self.budget.for_explanations() if is_slow else self.budget
