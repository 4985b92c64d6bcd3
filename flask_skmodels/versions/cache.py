"""What of the files of one model is loaded, and what is refused."""

from __future__ import annotations

from collections.abc import Container, Mapping
from copy import copy

from flask_skmodels.artifacts.loading import Artifact, Loaded, Policy, resolve
from flask_skmodels.errors import ArtifactError, ModelError, SKModelsError
from flask_skmodels.models import Model, name_of
from flask_skmodels.versions import discovery
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.failures import Failures
from flask_skmodels.versions.version import ModelVersion

Event = tuple[str | None, ModelVersion | SKModelsError]


class VersionCache:
    """The loaded versions of one model, and what happened to its files, to be told.

    :param model: the declaration
    :param artifact: its file or folder
    :param policy: how artifacts are loaded
    """

    def __init__(self, model: Model, artifact: Artifact, policy: Policy) -> None:
        self._model = model
        self._artifact = artifact
        self._policy = policy
        self._stamp: discovery.Stamp = (0, 0)
        self._loaded: dict[str | None, tuple[File, ModelVersion]] = {}
        self._refused = Failures()
        self._events: list[Event] = []

    def __bool__(self) -> bool:
        """Whether anything is loaded."""
        return bool(self._loaded)

    def find(self) -> Mapping[str | None, File]:
        """Return the files that are there now, as :func:`sources.find`."""
        self._stamp = discovery.stamp(self._artifact, self._policy)
        return discovery.find(self._artifact, self._policy)

    def at_hand(self, label: str | None, file: File | None) -> ModelVersion | None:
        """Return what is loaded from a file, None if nothing is."""
        known = self._loaded.get(label)
        return known[1] if known is not None and known[0] == file else None

    def file_of(self, version: ModelVersion) -> File | None:
        """Return the file that a version was loaded from, None if it was let go of."""
        known = self._loaded.get(version.label)
        return known[0] if known is not None and known[1] is version else None

    def load(self, label: str | None, file: File) -> ModelVersion:
        """Return a version, loaded unless it is, or was refused before.

        :raises ArtifactError: it cannot be loaded
        """
        known = self.at_hand(label, file)
        if known is not None:
            return known
        self._refused.check(label, file, self._stamp, unless_it_loads=True)
        try:
            version = self._made(label, discovery.load_once(file, self._policy))
        except SKModelsError as error:
            raise self.refuse(label, file, error) from error
        self._refused.accept_load(label)
        self._loaded[label] = (file, version)
        self._events.append((label, version))
        return version

    def check(self, label: str | None, file: File) -> None:
        """Raise why a file may not serve, if that is known."""
        self._refused.check(label, file, self._stamp)

    def accept(self, label: str | None) -> None:
        """Note that a version may serve."""
        self._refused.accept(label)

    def refuse(
        self, label: str | None, file: File, error: SKModelsError, *, loads: bool = False
    ) -> SKModelsError:
        """Note and return why a file is refused, to be told once a file."""
        path = resolve(file.artifact, self._policy)
        named = self.named(
            error if isinstance(error, ArtifactError) else ArtifactError.of(path, error)
        )
        if self._refused.add(label, file, self._stamp, named, loads=loads):
            self._events.append((label, copy(named)))
        return copy(named)

    def tell(self, label: str | None, found: ModelVersion | SKModelsError) -> None:
        """Note what is to be told."""
        self._events.append((label, found))

    def hush(self, version: ModelVersion) -> None:
        """Do not tell that a version was loaded: it may not serve."""
        self._events = [event for event in self._events if event[1] is not version]

    def take_events(self) -> list[Event]:
        """Return what is to be told, which is then told."""
        events, self._events = self._events, []
        return events

    def failures(self, files: Mapping[str | None, File]) -> dict[str | None, str]:
        """Return why files were refused, by their label."""
        return self._refused.of(files)

    def keep(self, labels: Container[str | None], files: Container[str | None]) -> None:
        """Let go of all versions but those of some labels, and of refusals of what is gone."""
        self._loaded = {k: v for k, v in self._loaded.items() if k in labels and k in files}
        self._refused.keep(files)

    def clear(self) -> None:
        """Let go of all versions; what was refused stays so."""
        self._loaded = {}

    def named(self, error: SKModelsError) -> SKModelsError:
        """Return a copy of an error that names the model, without its traceback."""
        if isinstance(error, ArtifactError):
            return ArtifactError(error.path, error.reason, model=name_of(self._model))
        return copy(error)

    def _made(self, label: str | None, loaded: Loaded) -> ModelVersion:
        model = copy(self._model)
        model.pipeline = loaded.estimator
        model.examples = model.examples or loaded.examples
        try:
            version = ModelVersion(model, label, loaded)
            version.check(self._policy)
            return version
        except ModelError as error:
            raise ArtifactError.of(loaded.path, error) from error
        except Exception as error:
            reason = f"it cannot be served: {type(error).__name__}: {error}"
            raise ArtifactError(loaded.path, reason) from error
