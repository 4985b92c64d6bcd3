"""Helpers for testing an application: recorded signals, examples as test cases, fake models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from typing import Any, overload

import numpy as np
from blinker import ANY
from flask import Flask
from flask.testing import FlaskClient
from sklearn.utils import Tags, TargetTags

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators import input_columns, introspect
from flask_skmodels.exceptions import ModelError
from flask_skmodels.extension import SKModels
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import (
    EXPLAIN,
    Model,
    artifact_of,
    declared_methods_of,
    methods_of,
    overrides,
    rules_from,
)
from flask_skmodels.schema.fields import declared, is_alias
from flask_skmodels.schema.types import ModelInput, ModelOutput
from flask_skmodels.signals import SIGNALS, after_prediction

__all__ = [
    "Example",
    "FakeEstimator",
    "Recorder",
    "Sent",
    "examples",
    "fake_model",
    "record_signals",
]


@dataclass(frozen=True, slots=True)
class Sent:
    """A signal that was sent.

    :param name: name of the signal, such as ``"after-prediction"``
    :param sender: the application
    :param arguments: keyword arguments of the signal
    """

    name: str
    sender: Any
    arguments: Mapping[str, Any]

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]


class Recorder(Sequence[Sent]):
    """The signals that were sent, in order.

    ``recorder["input-rejected"]`` is the list of the signals with that name.
    """

    def __init__(self) -> None:
        self._sent: list[Sent] = []

    @property
    def names(self) -> list[str]:
        """The names of the signals."""
        return [sent.name for sent in self._sent]

    @property
    def predictions(self) -> list[Prediction]:
        """The records of all successful predictions."""
        return [sent["prediction"] for sent in self[after_prediction.name]]

    @overload
    def __getitem__(self, key: int) -> Sent: ...

    @overload
    def __getitem__(self, key: slice | str) -> list[Sent]: ...

    def __getitem__(self, key: int | slice | str) -> Sent | list[Sent]:
        if isinstance(key, str):
            return [sent for sent in self._sent if sent.name == key]
        return self._sent[key]

    def __len__(self) -> int:
        return len(self._sent)

    def _receive(self, name: str, sender: Any, **arguments: Any) -> None:
        self._sent.append(Sent(name, sender, arguments))


@contextmanager
def record_signals(app: Flask | None = None) -> Iterator[Recorder]:
    """Record the signals of the library that are sent within a ``with`` block.

    :param app: record only the signals of this application, by default of all applications
    """
    recorder = Recorder()
    receivers = [partial(recorder._receive, signal.name) for signal in SIGNALS]
    with ExitStack() as stack:
        for signal, receiver in zip(SIGNALS, receivers, strict=True):
            stack.enter_context(signal.connected_to(receiver, ANY if app is None else app))
        yield recorder


@dataclass(frozen=True)
class Example:
    """One of the ``examples`` of a model, as a test case.

    :param models: the extension that the model is registered with
    :param model: name of the model
    :param row: the row of the example
    """

    models: SKModels = field(repr=False)
    model: str
    row: Any

    def check(self, client: FlaskClient) -> None:
        """Send the row to each method of the model, and check that each returns one prediction.

        :param client: test client of an application that serves the model, logged in if necessary
        :raises AssertionError: a method did not return one prediction; the message contains the
            response
        """
        state = client.application.extensions[self.models.name]
        for method in state.deployments[self.model].versions.methods:
            path = f"{state.settings.url_prefix}/{self.model}/{method}/"
            accept = {"Accept": "application/json"}
            response = client.post(
                path, data=dumps([self.row]), content_type="application/json", headers=accept
            )
            name = "explanations" if method == EXPLAIN else "predictions"
            if response.status_code != 200 or len(response.get_json()[name]) != 1:
                raise AssertionError(f"POST {path}: {response.status}\n{response.text}")


def examples(models: SKModels) -> list[Any]:
    """Return the examples of all models as pytest parameters, each an :class:`Example`.

    :param models: the extension; models registered later are not included
    :raises ModelError: no model is registered yet
    """
    import pytest

    if not len(models):
        raise ModelError(
            f"examples({models!r}) finds no model, so no test would run: at the top of the test "
            "module, import the module that registers the models. (The application factory imports "
            "it too, but only later.)"
        )

    return [
        pytest.param(Example(models, name, row), id=f"{name}-{index}")
        for name, model in models.registry.items()
        for index, row in enumerate(model.examples)
    ]


class FakeEstimator:
    """A replacement for a fitted estimator that returns declared outputs.

    The answer of a method is one output for all rows, an exception to raise, or a function that
    takes X and returns the outputs of all rows. Answers can be changed later:
    ``fake.answers["predict"] = 1``. With ``classes`` and an answer for ``predict_proba`` but none
    for ``predict``, the fake predicts the most probable class.

    :param classes: value of the attribute ``classes_``
    :param n_features_in: number of columns of X; if it is given, values of X may be missing
    :param answers: the answer of each method, by name of the method

    :ivar answers: the answers, by name of the method
    :ivar calls: the name of the method and X for each call, in order
    """

    def __init__(
        self,
        *,
        classes: Sequence[Any] | None = None,
        n_features_in: int | None = None,
        **answers: Any,
    ) -> None:
        unknown = sorted(set(answers).difference(introspect.METHODS))
        if unknown or not answers:
            known, given = ", ".join(introspect.METHODS), ", ".join(unknown) or "nothing"
            raise TypeError(f"the methods of a fake estimator are {known}; given: {given}")
        self.answers = answers
        self.calls: list[tuple[str, Any]] = []
        self.n_features_in_ = n_features_in
        if classes is not None:
            self.classes_ = np.asarray(classes)
            if "predict_proba" in answers:
                answers.setdefault("predict", self._most_probable)

    def __sklearn_tags__(self) -> Tags:
        target = TargetTags(required=False)
        return Tags(estimator_type=None, target_tags=target, no_validation=True)

    def __getattr__(self, name: str) -> Any:
        if name in vars(self).get("answers", ()):
            return partial(self._call, name)
        raise AttributeError(f"the fake estimator has no answer for {name!r}")

    def _call(self, method: str, X: ModelInput) -> ModelOutput:
        self.calls.append((method, X))
        return self._answer(method, X)

    def _most_probable(self, X: ModelInput) -> ModelOutput:
        return self.classes_[np.argmax(self._answer("predict_proba", X), axis=1)]

    def _answer(self, method: str, X: ModelInput) -> ModelOutput:
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer(X) if callable(answer) else np.array([answer] * len(X))


@contextmanager
def fake_model(
    models: SKModels, name: str, *, classes: Sequence[Any] | None = None, **answers: Any
) -> Iterator[FakeEstimator]:
    """Replace the estimator of a registered model with a fake within a ``with`` block.

    Applications that are created in the block use the fake. The model keeps its name, schema,
    methods and decorators, but does not explain predictions. Its file is not loaded.

    :param models: the extension
    :param name: name of the model
    :param classes: value of the fake's attribute ``classes_``; by default the classes of the
        estimator, if it is in memory
    :param answers: the answer of each method, as for :class:`FakeEstimator`
    :returns: the fake estimator
    :raises UnknownModel: there is no such model
    :raises ModelError: the model has no schema, so its schema depends on its estimator; or the
        methods with an answer are not the methods that the model serves
    """
    model = copy(models[name])
    fake = FakeEstimator(classes=_classes_of(model) if classes is None else classes, **answers)
    methods = _methods_of(model, fake, answers)
    if artifact_of(model) is None:
        _copy_attributes(fake, model)
    if model.schema is not None:
        fake.n_features_in_ = sum(not is_alias(rules) for rules in declared(model.schema).values())
    model.configure(pipeline=fake, methods=methods, probability=False)
    model.configure(traffic=None, shadow=None, explain=False)
    if isinstance(model.profile, str | PathLike):  # relative to the root of an application
        model.configure(profile=None)
    if model.profile is None:
        model.configure(enforce_ranges=False)
    with models.registry.replaced(name, model):
        fake.calls.clear()  # the calls of the registration
        yield fake


def _methods_of(model: Model, fake: FakeEstimator, given: Iterable[str]) -> tuple[str, ...]:
    """Return the methods that a model serves and its fake has to answer.

    So tests use only URLs that exist.

    :param given: the methods that the test gives an answer for
    :raises ModelError: the model does not serve one of these methods, or serves others as well
    """
    served = _served_methods(model, fake)
    own = introspect.methods(model.pipeline) if artifact_of(model) is None else ()
    needed = [method for method in served if method in own or not overrides(model, method)]
    unserved = [method for method in given if method not in served]
    missing = [method for method in needed if method not in fake.answers]
    if unserved or missing:
        problem = f". It does not serve {', '.join(unserved)}" if unserved else ""
        remedy = f". Also give an answer for {', '.join(missing)}" if missing else ""
        raise ModelError(
            f"fake_model must answer the methods that model {model.name!r} serves: "
            f"{', '.join(served)}{problem}{remedy}"
        )
    return served


def _served_methods(model: Model, fake: FakeEstimator) -> tuple[str, ...]:
    """Return the methods that a model serves, without ``explain``.

    If this is known only from its file, which is not loaded, these are the methods of the fake.
    """
    is_loaded = artifact_of(model) is None
    served = methods_of(model) if is_loaded else declared_methods_of(model)
    left_out = {EXPLAIN}
    if not is_loaded and model.methods is None:
        is_transformer = "transform" in fake.answers and "predict" not in fake.answers
        left_out.add("predict" if is_transformer else "transform")
    return tuple(method for method in served if method not in left_out)


def _classes_of(model: Model) -> Any:
    """Return the classes of a model's estimator, None if it has none or is not in memory."""
    classes = getattr(model.pipeline, "classes_", None)
    return classes if isinstance(classes, np.ndarray) else None


def _copy_attributes(fake: FakeEstimator, model: Model) -> None:
    """Give a fake the classes and columns of the model's estimator, and the model a schema."""
    if hasattr(model.pipeline, "classes_") and "classes_" not in vars(fake):
        fake.classes_ = model.pipeline.classes_
    fake.n_features_in_ = getattr(model.pipeline, "n_features_in_", None)
    inputs = input_columns.inputs(model.pipeline)
    if model.schema is None and inputs.named:
        model.configure(schema=rules_from(inputs))
