"""Help for the tests of an application: signals recorded, examples as cases, fake models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import Any, overload

import numpy as np
from blinker import ANY
from flask import Flask
from flask.testing import FlaskClient
from sklearn.utils import Tags, TargetTags

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators import introspect
from flask_skmodels.extension import SKModels
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.models import Model, artifact_of, rules_from
from flask_skmodels.schema.fields import declared, is_alias
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

    :param name: of the signal, ``"after-prediction"`` and so on
    :param sender: the application
    :param arguments: the keyword arguments that its receivers got
    """

    name: str
    sender: Any
    arguments: Mapping[str, Any]

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]


class Recorder(Sequence[Sent]):
    """The signals that were sent, in their order.

    ``recorder["input-rejected"]`` is the list of those of one name.
    """

    def __init__(self) -> None:
        self._sent: list[Sent] = []

    @property
    def names(self) -> list[str]:
        """The name of each."""
        return [sent.name for sent in self._sent]

    @property
    def predictions(self) -> list[Prediction]:
        """The record of each prediction that was answered."""
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
    """Record the signals of the library that are sent in a ``with`` block.

    :param app: the application that is listened to, by default every one
    """
    recorder = Recorder()
    receivers = [partial(recorder._receive, signal.name) for signal in SIGNALS]
    with ExitStack() as stack:
        for signal, receiver in zip(SIGNALS, receivers, strict=True):
            stack.enter_context(signal.connected_to(receiver, ANY if app is None else app))
        yield recorder


@dataclass(frozen=True)
class Example:
    """One of a model's ``examples``, as a case of a test.

    :param models: the extension that the model is registered with
    :param model: name of the model
    :param row: the example
    """

    models: SKModels = field(repr=False)
    model: str
    row: Any

    def check(self, client: FlaskClient) -> None:
        """Post the row to each method of the model, and fail unless each answers with one entry.

        :param client: test client of an application that serves the model, logged in if need be
        :raises AssertionError: a method has not answered; the message is what it said
        """
        state = client.application.extensions[self.models.name]
        for method in state.deployments[self.model].versions.methods:
            path = f"{state.settings.url_prefix}/{self.model}/{method}/"
            accept = {"Accept": "application/json"}
            answer = client.post(
                path, data=dumps([self.row]), content_type="application/json", headers=accept
            )
            told = f"POST {path}: {answer.status}\n{answer.text}"
            if answer.status_code != 200 or len(answer.get_json()["predictions"]) != 1:
                raise AssertionError(told)


def examples(models: SKModels) -> list[Any]:
    """Return each example of each model as a pytest parameter, an :class:`Example`.

    :param models: the extension; what is registered with it later is not seen
    """
    import pytest

    return [
        pytest.param(Example(models, name, row), id=f"{name}-{place}")
        for name, model in models.registry.items()
        for place, row in enumerate(model.examples)
    ]


class FakeEstimator:
    """Stands in for a fitted estimator and answers what it is told.

    Each method takes one answer for all rows, or an exception to raise, or a function of X that
    returns the answers of all rows. Answers may be changed later: ``fake.answers["predict"] = 1``.
    Where it has classes and their probabilities it predicts the likeliest, unless it is told.

    :param classes: its ``classes_``
    :param n_features_in: how many columns it takes, which may then have missing values
    :param answers: the answer of each method that it is to have, by name

    :ivar answers: those answers
    :ivar calls: the name of the method and X of each call, in their order
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
            raise TypeError(f"an estimator answers to {known}, not to {given}")
        self.answers = answers
        self.calls: list[tuple[str, Any]] = []
        self.n_features_in_ = n_features_in
        if classes is not None:
            self.classes_ = np.asarray(classes)
            if "predict_proba" in answers:
                answers.setdefault("predict", self._likeliest)

    def __sklearn_tags__(self) -> Tags:
        target = TargetTags(required=False)
        return Tags(estimator_type=None, target_tags=target, no_validation=True)

    def __getattr__(self, name: str) -> Any:
        if name in vars(self).get("answers", ()):
            return partial(self._call, name)
        raise AttributeError(f"the fake estimator was not told of {name!r}")

    def _call(self, method: str, X: Any) -> Any:
        self.calls.append((method, X))
        return self._answer(method, X)

    def _likeliest(self, X: Any) -> Any:
        return self.classes_[np.argmax(self._answer("predict_proba", X), axis=1)]

    def _answer(self, method: str, X: Any) -> Any:
        answer = self.answers[method]
        if isinstance(answer, Exception):
            raise answer
        return answer(X) if callable(answer) else np.array([answer] * len(X))


@contextmanager
def fake_model(
    models: SKModels, name: str, *, classes: Sequence[Any] | None = None, **answers: Any
) -> Iterator[FakeEstimator]:
    """Have a fake estimator in a registered model's place, in a ``with`` block.

    It holds for the applications that are made in the block. The model keeps its name, schema and
    decorators, and serves the methods that are told; its file is not loaded.

    :param models: the extension
    :param name: name of the model
    :param classes: the ``classes_`` of the fake
    :param answers: as for :class:`FakeEstimator`
    :returns: the fake estimator
    :raises UnknownModel: there is no such model
    :raises ModelError: it has no schema and needs its estimator to have one
    """
    fake = FakeEstimator(classes=classes, **answers)
    model = copy(models[name])
    if artifact_of(model) is None:
        _liken(fake, model)
    if model.schema is not None:
        fake.n_features_in_ = sum(not is_alias(rules) for rules in declared(model.schema).values())
    model.configure(pipeline=fake, methods=tuple(answers), probability=False)
    model.configure(traffic=None, shadow=None)
    with models.registry.replaced(name, model):
        yield fake


def _liken(fake: FakeEstimator, model: Model) -> None:
    """Have a fake, and the model that it is for, say what the model's own estimator says."""
    if hasattr(model.pipeline, "classes_") and "classes_" not in vars(fake):
        fake.classes_ = model.pipeline.classes_
    fake.n_features_in_ = getattr(model.pipeline, "n_features_in_", None)
    inputs = introspect.inputs(model.pipeline)
    if model.schema is None and inputs.named:
        model.configure(schema=rules_from(inputs))
