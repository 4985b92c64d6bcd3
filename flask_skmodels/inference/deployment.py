"""A model as one application serves it: the choice of a version, and calls of its methods."""

from __future__ import annotations

from collections.abc import Collection

from flask_skmodels.engines.threadpools import size_pools
from flask_skmodels.inference.canary import Canaries
from flask_skmodels.inference.concurrency import Admission, ConcurrencyLimit, concurrency_limit
from flask_skmodels.inference.prediction import Prediction, PredictionCall, announce, execute
from flask_skmodels.inference.shadow import Shadow
from flask_skmodels.models import Model
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.signals import Sender
from flask_skmodels.versions.load_limit import LoadLimit
from flask_skmodels.versions.version import ModelVersion, Versions


class Deployment:
    """A model as one application serves it: its versions, its canaries and its shadow.

    :param versions: the model's versions
    :param threads: size of the thread pools of a worker, None to derive it from the environment
    :param batch_rows: the maximum number of rows in a combined call
    :param load_limit: the limit on loads that clients cause by naming versions, None for no limit
    :param timeout: the seconds that a call may wait for other calls, None for no limit; the timeout
        of the model takes precedence
    :param process_limit: the limit on the concurrent calls of all models, None for no limit
    :param hidden_fields: names of the fields whose training data are not shown
    :ivar limits: the limits on the concurrent calls of the model
    """

    def __init__(
        self,
        versions: Versions,
        *,
        threads: int | None = None,
        batch_rows: int = 0,
        load_limit: LoadLimit | None = None,
        timeout: float | None = None,
        process_limit: ConcurrencyLimit | None = None,
        hidden_fields: Collection[str] = (),
    ) -> None:
        self.versions = versions
        self.hidden_fields = hidden_fields
        self.threads = threads
        self.batch_rows = batch_rows
        self.load_limit = load_limit
        self.model = versions.model
        self.name = versions.name
        self.timeout = timeout if self.model.timeout is None else self.model.timeout
        self.limits = _limits_of(self.model, process_limit)
        self.shadow = None if versions.model.shadow is None else Shadow(versions.model.shadow)
        self.canaries = Canaries(versions)

    def version(
        self,
        sender: Sender,
        label: str | None = None,
        key: str | None = None,
        *,
        is_client: bool = False,
    ) -> ModelVersion:
        """Return the version that serves one request.

        :param sender: the application
        :param label: label of the version, if the request names one
        :param key: the key that decides which version gets the request; the same key always gets
            the same version
        :param is_client: whether a client names the version, so that its load is limited
        :raises UnknownModel: the model has no version with that label
        :raises TooManyLoads: the version is not loaded, and clients have caused too many loads
        :raises ArtifactError: the version cannot be loaded
        """
        if self.versions.is_reloadable:
            self.versions.poll(sender)
            self.versions.touch()
        if label is not None:
            return self.versions.get(label, sender, self.load_limit if is_client else None)
        live = self.versions.current(sender)
        return self.canaries.choose(key, live, sender) if self.model.traffic else live

    def call(
        self, sender: Sender, version: ModelVersion, method: str, request_id: str | None = None
    ) -> PredictionCall:
        """Return a call of a method, to be made in its :meth:`admission` if there are limits.

        The time of the call is measured from now on.

        :param sender: the application
        :param version: the version to call, from :meth:`version`
        :param method: name of the estimator's method
        :param request_id: identifier of the request
        :raises UnknownModel: the version does not serve that method
        """
        size_pools(self.threads)
        return PredictionCall(sender, version, method, request_id, version.combiner(method))

    def admission(self, call: PredictionCall) -> Admission:
        """Return a context in which the limits allow a call to run.

        :param call: the call, from :meth:`call`
        """
        return Admission(call, self.limits, self.timeout)

    def execute(
        self, call: PredictionCall, prediction: Prediction, *, is_shadowed: bool = True
    ) -> Prediction:
        """Make a prepared prediction, and let the shadow make it too, unless it is an explanation.

        :param call: the call
        :param prediction: the record of the prediction, from
            :func:`~flask_skmodels.inference.prediction.prepare`
        :param is_shadowed: whether the shadow runs, if the model has one
        :returns: the record, complete
        :raises TimedOut: the call has waited too long for others
        :raises InvalidInput: the model or its estimator rejects the rows
        :raises Exception: the exception of a receiver of ``before_prediction`` or of the estimator
        """
        announce(call, prediction)
        shadow = self.shadow
        if shadow is not None and not (is_shadowed and prediction.layout is None):
            shadow = None
        shadow_copy = None if shadow is None else shadow.copy(prediction)
        execute(call, prediction, 0 if call.is_probe else self.batch_rows, self.timeout)
        if shadow is not None:
            shadow.submit(call.sender, self.versions, prediction, shadow_copy)
        return prediction

    def current(self, sender: Sender) -> ModelVersion:
        """Return the live version; load it first if necessary.

        :param sender: the application
        :raises SKModelsError: no version of the model can serve
        """
        self.versions.poll(sender)
        self.versions.touch()
        return self.versions.current(sender)

    def start(self, sender: Sender) -> None:
        """Load the model before the first request.

        :raises SKModelsError: no version of the model can serve
        """
        self.versions.touch()
        self.versions.start(sender)

    def describe(self, sender: Sender) -> JSONObject:
        """Return a description of the model for clients; load the model first if necessary."""
        described = self.current(sender).describe(self.hidden_fields)
        if self.versions.is_folder:
            described["versions"] = self.versions.describe()
            described["traffic"] = dict(self.model.traffic or {})
        if self.shadow is not None:
            described["shadow"] = self.shadow.summary()
        return described

    def summary(self) -> JSONObject:
        """Return the part of the description that is known without loading the model."""
        live = self.versions.live
        if live is not None:
            return live.describe(self.hidden_fields)
        return {"name": self.name, "version": None, "methods": list(self.versions.methods)}

    def status(self, *, with_reasons: bool = False) -> JSONObject:
        """Return the live version, its version of scikit-learn, and the versions that failed.

        :param with_reasons: whether to include the reasons of the failures
        """
        live = self.versions.live
        loaded = None if live is None else live.loaded
        return {
            "loaded": live is not None,
            "version": None if live is None else live.label,
            "sklearn_version": None if loaded is None else loaded.sklearn_version,
            "failed": [
                {"version": label, "reason": reason} if with_reasons else {"version": label}
                for label, reason in self.versions.failures.items()
            ],
        }


def _limits_of(
    model: Model, process_limit: ConcurrencyLimit | None
) -> tuple[ConcurrencyLimit, ...]:
    """Return the limits on the calls of a model, in the order in which a call waits for them.

    A call waits for the limit of its model first, so that it does not block other models.
    """
    own = concurrency_limit(model.max_concurrency, model.max_queue)
    return tuple(limit for limit in (own, process_limit) if limit is not None)
