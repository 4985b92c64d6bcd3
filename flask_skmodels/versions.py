"""The versions of one model. A model that is one fitted estimator has one, without a label."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from flask_skmodels import introspect
from flask_skmodels.errors import ModelError, UnknownModel
from flask_skmodels.models import (
    Model,
    check_pipeline,
    description_of,
    inputs_of,
    methods_of,
    name_of,
)

_WITH_CLASSES = frozenset({"predict_proba", "predict_log_proba", "decision_function"})


class Version:
    """A model, checked and compiled, ready to be called.

    :param model: the declaration
    :param label: which version it is, None where the model has no versions
    :raises ModelError: it cannot be served; the message names the model
    """

    def __init__(self, model: Model, label: str | None = None) -> None:
        self.model = model
        self.label = label
        self.name = name_of(model)
        try:
            check_pipeline(model.pipeline)
            self.methods = methods_of(model)
            self.schema = model.compile_schema(inputs_of(model, self.methods))
        except ModelError as error:
            raise ModelError(f"model {self.name!r}: {error}") from error

    @property
    def default_method(self) -> str:
        """The method that is called where none is named."""
        return self.methods[0]

    @cached_property
    def _classes(self) -> list[object] | None:
        return introspect.classes(self.model.pipeline)

    def classes(self, method: str) -> list[object] | None:
        """Return what the columns of a method's output stand for, None if not classes."""
        return self._classes if method in _WITH_CLASSES else None

    def callable(self, method: str) -> Callable[[Any], Any]:
        """Return what a method calls with X.

        :raises UnknownModel: the model does not serve that method
        """
        if method not in self.methods:
            raise UnknownModel(
                f"model {self.name!r} does not serve {method!r}, only {', '.join(self.methods)}"
            )
        call: Callable[[Any], Any] = getattr(self.model, method)
        return call

    def describe(self) -> dict[str, Any]:
        """Return what the model is, for a client."""
        row = self.schema.json_schema()
        return {
            "name": self.name,
            "version": self.label,
            "description": description_of(self.model),
            "methods": list(self.methods),
            "fields": row["properties"],
            "required": row["required"],
            "classes": self._classes,
            "estimator": introspect.class_name(self.model.pipeline),
            "examples": list(self.model.examples),
        }
