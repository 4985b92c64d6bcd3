"""Readiness of an application: whether its models can predict, and whether it is shutting down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic

from flask_skmodels.engines.after_fork import restart_after_fork
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import prepare
from flask_skmodels.schema.rows import from_python
from flask_skmodels.signals import Sender

INTERVAL = 1.0  # seconds between two predictions of the same example
PATIENCE = 0.5  # seconds that a health check waits for the examples to be predicted
SECONDS = 30.0  # time limit of an example if its model has no timeout


@dataclass(frozen=True, slots=True)
class ReadyReport:
    """The result of a check of an application's readiness.

    :ivar ready: the names of the models that are ready
    :ivar total: the number of models
    :ivar is_draining: True if the application is shutting down
    """

    ready: frozenset[str]
    total: int
    is_draining: bool

    @property
    def is_ready(self) -> bool:
        """True if the application should get requests."""
        return len(self.ready) == self.total and not self.is_draining


class Readiness:
    """Checks whether an application is ready to predict.

    A model is ready if it has a live version, or will be loaded when it is first used.

    :param sender: the application
    :param deployments: its models, by name
    :param drain_file: while this file exists, the application is shutting down; None for no file
    :param examples: predicts the first example of each model, None if that is not required
    """

    def __init__(
        self,
        sender: Sender,
        deployments: Mapping[str, Deployment],
        drain_file: Path | None = None,
        examples: ExampleRuns | None = None,
    ) -> None:
        self._sender = sender
        self._deployments = deployments
        self._drain_file = drain_file
        self._examples = examples

    @property
    def is_draining(self) -> bool:
        """True if the application is shutting down."""
        return self._drain_file is not None and self._drain_file.exists()

    def check(self) -> ReadyReport:
        """Return which models are ready. This never waits for a model."""
        deployments = dict(self._deployments)
        for each in deployments.values():
            if each.versions.is_down:  # perhaps no other request comes that would poll
                each.versions.poll(self._sender)
        up = {name for name, each in deployments.items() if not each.versions.is_down}
        failing = set() if self._examples is None else self._examples.failing()
        return ReadyReport(frozenset(up - failing), len(deployments), self.is_draining)


class ExampleRuns:
    """Predicts the first example of each model, and keeps the last results.

    The examples are predicted one after the other in a thread, when a health check requests the
    results and the last results are a second old. A prediction that takes longer than the timeout
    of its model is no longer waited for, because it cannot be stopped: the model counts as failing
    until the prediction returns, and another thread continues with the other models.

    The predictions are marked with ``is_probe``. They take all steps of a prediction, except that
    they are neither limited nor combined with others, and the shadow does not run.

    :param sender: the application
    :param deployments: its models, by name
    :param context: returns the context manager that the predictions are made in
    """

    def __init__(
        self,
        sender: Sender,
        deployments: Mapping[str, Deployment],
        context: Callable[[], AbstractContextManager[object]],
    ) -> None:
        self._sender = sender
        self._deployments = deployments
        self._context = context
        self.restart()
        restart_after_fork(self)

    def restart(self) -> None:
        """Forget all results. A forked child process has none of its parent's threads."""
        self._lock = Lock()
        self._thread: object = None  # identifies the thread that goes through the models
        self._current = ""  # the name of the model that the thread is calling
        self._started_at = -inf
        self._done = Event()
        self._calls: dict[str, float] = {}  # the start of each call that has not returned
        self._errors: dict[str, str] = {}  # the last result: an error, or empty

    def failing(self) -> set[str]:
        """Return the models whose example fails, takes too long, or has no result yet.

        Models that are not loaded and models without examples are not failing.
        """
        self._start_if_due()
        self._done.wait(max(0.0, self._started_at + PATIENCE - monotonic()))
        with self._lock:
            return {
                name
                for name, each in list(self._deployments.items())
                if _has_example(each) and (self._errors.get(name, "none") or self._is_late(name))
            }

    def _is_late(self, name: str) -> bool:
        started = self._calls.get(name)
        if started is None:
            return False
        return monotonic() - started > (self._deployments[name].timeout or SECONDS)

    def _start_if_due(self) -> None:
        with self._lock:
            if self._thread is not None and self._is_late(self._current):
                self._log(self._current, "it has not returned in time")
                self._thread = None
            if self._thread is not None or monotonic() - self._started_at < INTERVAL:
                return
            self._thread, self._started_at = object(), monotonic()
            self._done = Event()
            thread = Thread(target=self._run, args=(self._thread, self._done), daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads: the next check tries again
                self._thread = None

    def _run(self, thread: object, done: Event) -> None:
        for name, deployment in list(self._deployments.items()):
            if _has_example(deployment):
                with self._lock:
                    if self._thread is not thread:
                        return
                    if name in self._calls:  # the last call of the model has not returned
                        continue
                    self._current, self._calls[name] = name, monotonic()
                error = self._error_of(deployment)
                with self._lock:
                    self._calls.pop(name, None)
                    self._log(name, error)
                    self._errors[name] = error
        with self._lock:
            if self._thread is thread:
                self._thread = None
        done.set()

    def _error_of(self, deployment: Deployment) -> str:
        """Predict the first example of a model; return the error, empty if there is none."""
        sender = self._sender
        try:
            with self._context():
                version = deployment.versions.current(sender)
                call = deployment.call(sender, version, version.default_method)
                call.is_probe = True
                prediction = prepare(call, from_python(version.example_rows[:1]))
                deployment.execute(call, prediction, is_shadowed=False)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def _log(self, name: str, error: str) -> None:
        """Log that an example fails, unless it has failed in the same way before."""
        if error and error != self._errors.get(name):
            self._errors[name] = error
            self._sender.logger.error(
                "model %r is not ready: its first example fails: %s", name, error
            )


def _has_example(deployment: Deployment) -> bool:
    live = deployment.versions.live
    return live is not None and bool(live.example_rows)
