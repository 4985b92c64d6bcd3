"""One version of a model, ready to be called, and what it must be to take another's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

from flask_skmodels import introspect
from flask_skmodels.artifacts import Loaded
from flask_skmodels.engines import engine_of
from flask_skmodels.errors import InvalidInput, ModelError, UnknownModel
from flask_skmodels.models import (
    Model,
    description_of,
    inputs_of,
    methods_of,
    name_of,
)
from flask_skmodels.pipelines import check_pipeline
from flask_skmodels.rows import from_python
from flask_skmodels.signals import Sender

_WITH_CLASSES = frozenset({"predict_proba", "predict_log_proba", "decision_function"})


class Version:
    """A model, checked and compiled, ready to be called.

    :param model: the declaration, with a fitted estimator as its pipeline
    :param label: which version it is, None where the model has no versions
    :param loaded: the file that the estimator is from, None for one in memory
    :raises ModelError: it cannot be served; the message names the model
    """

    def __init__(
        self, model: Model, label: str | None = None, loaded: Loaded | None = None
    ) -> None:
        self.model = model
        self.label = label
        self.loaded = loaded
        self.name = name_of(model)
        try:
            check_pipeline(model.pipeline)
            self.methods = methods_of(model)
            inputs = inputs_of(model, self.methods)
            self.container = inputs.container
            self.schema = model.compile_schema(inputs)
            self.engine = engine_of(model, self.methods, self.schema)
        except ModelError as error:
            raise ModelError(f"model {self.name!r}: {error}") from error

    @property
    def default_method(self) -> str:
        """The method that is called where none is named."""
        return self.methods[0]

    @cached_property
    def _classes(self) -> list[object] | None:
        return introspect.classes(self.model.pipeline)

    @property
    def is_classifier(self) -> bool:
        """Whether what it predicts are labels."""
        return self._classes is not None

    @property
    def sha256(self) -> str | None:
        """Digest of its file, None in memory."""
        return None if self.loaded is None else self.loaded.sha256

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
        return self.engine.calls[method]

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
            "engine": self.engine.describe(),
            "examples": list(self.model.examples),
            "artifact": self.artifact(),
        }

    def artifact(self) -> dict[str, Any] | None:
        """Return the digest, scikit-learn's version and the time of loading; None in memory."""
        if self.loaded is None:
            return None
        return {
            "sha256": self.loaded.sha256,
            "sklearn_version": self.loaded.sklearn_version,
            "loaded_at": self.loaded.loaded_at.isoformat(),
        }


class Served(Protocol):
    """A model as one application serves it.

    :ivar is_folder: whether it has versions with labels
    :ivar is_reloadable: whether it can be loaded again when it was let go of
    :ivar is_down: whether it could not be loaded when it was needed
    :ivar failures: why versions could not be loaded or failed their checks, by label; by None what
        is wrong with the model as a whole
    """

    model: Model
    name: str
    is_folder: bool
    is_reloadable: bool
    is_down: bool

    @property
    def failures(self) -> Mapping[str | None, str]: ...

    @property
    def methods(self) -> tuple[str, ...]: ...

    @property
    def live(self) -> Version | None: ...

    def describe(self) -> list[dict[str, Any]]: ...

    def current(self, sender: Sender) -> Version: ...

    def get(self, label: str, sender: Sender) -> Version: ...

    def start(self, sender: Sender) -> None: ...

    def look(self, sender: Sender) -> None: ...

    def refresh(self, sender: Sender) -> None: ...

    def unload(self) -> None: ...

    def request_reload(self) -> None: ...


class Fixed:
    """The only version of a model whose estimator is in memory.

    :param model: the declaration
    :raises ModelError: it cannot be served
    """

    is_folder = False
    is_reloadable = False
    is_down = False

    def __init__(self, model: Model) -> None:
        self.model = model
        self.failures: Mapping[str | None, str] = {}
        self.live = Version(model)
        self.name = self.live.name
        self.methods = self.live.methods

    def describe(self) -> list[dict[str, Any]]:
        """Return nothing: there is one version, without a label."""
        return []

    def current(self, sender: Sender) -> Version:
        """Return the version."""
        return self.live

    def get(self, label: str, sender: Sender) -> Version:
        """Raise UnknownModel: there are no labels."""
        raise UnknownModel(f"model {self.name!r} has no version {label!r}; it has none")

    def start(self, sender: Sender) -> None:
        """Do nothing: it is loaded."""

    def look(self, sender: Sender) -> None:
        """Do nothing: there is no folder to look at."""

    def refresh(self, sender: Sender) -> None:
        """Do nothing: there is no folder to look at."""

    def unload(self) -> None:
        """Do nothing: it could not be loaded again."""

    def request_reload(self) -> None:
        """Do nothing: there is no folder to look at."""


def check_version(version: Version, live: Version) -> None:
    """Hold a version that was loaded against the one that serves, and against its own examples.

    :raises ModelError: clients of the one that serves could not call it, or it fails on an example
    """
    check_fields(version, live)
    for place, example in enumerate(version.model.examples):
        try:
            X = version.schema.clean(from_python([example]))
            for method in version.methods:
                version.callable(method)(X)
        except InvalidInput as error:
            raise ModelError(f"example {place} is not valid: {error}") from error
        except Exception as error:
            kind = type(error).__name__
            raise ModelError(f"it fails on example {place}: {kind}: {error}") from error


def check_fields(version: Version, live: Version) -> None:
    """Hold what a version takes against what the clients of the one that serves send.

    :raises ModelError: they are not the same fields in the same order, of the same types, one is
        required that was not, or a value is no longer allowed; or a method is not there
    """
    own, theirs = version.schema.json_schema(), live.schema.json_schema()
    if list(own["properties"]) != list(theirs["properties"]):
        raise ModelError("its fields are not those of the version that serves")
    for name, rules in theirs["properties"].items():
        if not _takes(own["properties"][name], rules):
            raise ModelError(f"its field {name!r} is not that of the version that serves")
    if not set(own["required"]) <= set(theirs["required"]):
        raise ModelError("it requires a field that the version that serves does not")
    if not set(live.methods) <= set(version.methods):
        raise ModelError("it has not got the methods of the version that serves")


def _takes(own: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    """Return whether a field takes what another takes: the same but for more allowed values."""
    others = [{key: rules[key] for key in rules if key != "enum"} for rules in (own, theirs)]
    return others[0] == others[1] and (
        "enum" not in own or ("enum" in theirs and all(v in own["enum"] for v in theirs["enum"]))
    )
