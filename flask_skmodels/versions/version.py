"""One version of a model, ready to be called, and how the rest of the library sees a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.artifacts.loading import Loaded
from flask_skmodels.engines import engine_of
from flask_skmodels.engines.batching import Combiner
from flask_skmodels.errors import ModelError, UnknownModel
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.requirements import check_pipeline
from flask_skmodels.models import Model, description_of, inputs_of, methods_of, name_of
from flask_skmodels.signals import Sender

_WITH_CLASSES = frozenset({"predict_proba", "predict_log_proba", "decision_function"})


class ModelVersion:
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
            self._combiners = {
                method: Combiner(call, model.batching) for method, call in self.engine.calls.items()
            }
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
        self._check_method(method)
        return self.engine.calls[method]

    def combiner(self, method: str) -> Combiner:
        """Return what calls a method together for those that call it at the same time.

        :raises UnknownModel: the model does not serve that method
        """
        self._check_method(method)
        return self._combiners[method]

    def _check_method(self, method: str) -> None:
        if method not in self.methods:
            raise UnknownModel(
                f"model {self.name!r} does not serve {method!r}, only {', '.join(self.methods)}"
            )

    def check(self, policy: Policy) -> None:
        """Raise ModelError where its engine is further from the estimator than it may be."""
        try:
            self.engine.check(policy.onnx_tolerance)
        except ModelError as error:
            raise ModelError(f"model {self.name!r}: {error}") from error

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


class Versions(Protocol):
    """A model as one application serves it.

    :ivar is_folder: whether it has versions with labels
    :ivar is_reloadable: whether it can be loaded again when it was let go of
    :ivar is_down: whether it could not be loaded when it was needed
    :ivar on_load: called without arguments whenever something of it was loaded
    :ivar failures: why versions could not be loaded or failed their checks, by label; by None what
        is wrong with the model as a whole
    """

    model: Model
    name: str
    is_folder: bool
    is_reloadable: bool
    is_down: bool
    on_load: Callable[[], None]

    @property
    def failures(self) -> Mapping[str | None, str]: ...

    @property
    def methods(self) -> tuple[str, ...]: ...

    @property
    def live(self) -> ModelVersion | None: ...

    def describe(self) -> list[dict[str, Any]]: ...

    def current(self, sender: Sender) -> ModelVersion: ...

    def get(self, label: str, sender: Sender) -> ModelVersion: ...

    def beside(self, label: str, sender: Sender) -> ModelVersion | None: ...

    def start(self, sender: Sender) -> None: ...

    def look(self, sender: Sender) -> None: ...

    def refresh(self, sender: Sender) -> None: ...

    def unload(self) -> None: ...

    def request_reload(self) -> None: ...


class SingleVersion:
    """The only version of a model whose estimator is in memory.

    :param model: the declaration
    :raises ModelError: it cannot be served
    """

    is_folder = False
    is_reloadable = False
    is_down = False

    def __init__(self, model: Model) -> None:
        self.model = model
        self.on_load: Callable[[], None] = lambda: None
        self.failures: Mapping[str | None, str] = {}
        self.live = ModelVersion(model)
        self.name = self.live.name
        self.methods = self.live.methods

    def describe(self) -> list[dict[str, Any]]:
        """Return nothing: there is one version, without a label."""
        return []

    def current(self, sender: Sender) -> ModelVersion:
        """Return the version."""
        return self.live

    def get(self, label: str, sender: Sender) -> ModelVersion:
        """Raise UnknownModel: there are no labels."""
        raise UnknownModel(f"model {self.name!r} has no version {label!r}; it has none")

    def beside(self, label: str, sender: Sender) -> ModelVersion | None:
        """Raise UnknownModel: there are no labels."""
        return self.get(label, sender)

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
