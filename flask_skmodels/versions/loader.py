"""Loads the versions of one model from their files, and remembers which files are bad."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Any

from flask_skmodels.artifacts.declaration import Artifact, Policy, resolve
from flask_skmodels.artifacts.loading import Loaded
from flask_skmodels.artifacts.profile_beside import load_profile_beside
from flask_skmodels.exceptions import ArtifactError, ModelError, SKModelsError
from flask_skmodels.models import Model, name_of, profile_of
from flask_skmodels.versions import discovery, loaded_files
from flask_skmodels.versions.cache import VersionCache
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.events import Events
from flask_skmodels.versions.rejected_files import RejectedFiles
from flask_skmodels.versions.version import ModelVersion


class VersionLoader:
    """Loads the versions of one model.

    :param model: the declaration
    :param artifact: its file or folder
    :param policy: how artifacts are loaded
    :ivar cache: the loaded versions
    :ivar rejected: the rejected files
    :ivar events: loads and failures that are not reported yet
    """

    def __init__(self, model: Model, artifact: Artifact, policy: Policy) -> None:
        self._model = model
        self._artifact = artifact
        self._policy = policy
        self.cache = VersionCache()
        self.rejected = RejectedFiles()
        self.events = Events()

    def find(self) -> Mapping[str | None, File]:
        """Return the files that exist now, as :func:`~.discovery.find` does."""
        self.rejected.stamp = discovery.stamp(self._artifact, self._policy)
        return discovery.find(self._artifact, self._policy)

    def load(self, label: str | None, file: File) -> ModelVersion:
        """Return a version; load it unless it is loaded or its file is known to be bad.

        :raises ArtifactError: it cannot be loaded
        """
        version = self.cache.get(label, file)
        if version is not None:
            return version
        self.rejected.check(label, file, unless_it_loads=True)
        try:
            loaded = loaded_files.load_once(file, self._policy)
            version = self._version_of(label, file, loaded)
        except SKModelsError as error:
            raise self.reject(label, file, error) from error
        self.rejected.accept_load(label)
        self.cache.put(label, file, version)
        self.events.add(label, version)
        return version

    def reject(
        self, label: str | None, file: File, error: SKModelsError, *, loads: bool = False
    ) -> SKModelsError:
        """Record why a file is rejected, to be reported once for each file.

        :param error: the reason
        :param loads: True if the file loads, but may not replace the live version
        :returns: the exception to raise
        """
        if not isinstance(error, ArtifactError):
            error = ArtifactError.of(resolve(file.artifact, self._policy), error)
        named = self.named(error)
        if self.rejected.add(label, file, named, loads=loads):
            self.events.add(label, copy(named))
        return copy(named)

    def reject_all(self, label: str | None, error: SKModelsError) -> SKModelsError:
        """Record why no file can serve, to be reported once for each reason.

        :param label: the version that the model is pinned to, None if it is not pinned
        :returns: the exception to raise
        """
        named = self.named(error)
        if self.rejected.add_reason_of_all(named):
            self.events.add(label, copy(named))
        return named

    def named(self, error: SKModelsError) -> SKModelsError:
        """Return a copy of an error that names the model; it has no traceback."""
        if isinstance(error, ArtifactError):
            return ArtifactError(error.path, error.reason, model=name_of(self._model))
        return copy(error)

    def _version_of(self, label: str | None, file: File, loaded: Loaded) -> ModelVersion:
        model = copy(self._model)
        model.pipeline = loaded.estimator
        model.profile = self._profile_of(file)
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

    def _profile_of(self, file: File) -> Any:
        """Return the profile that the model declares, else the one beside the file."""
        declared = self._model.profile
        if declared is None:
            return load_profile_beside(resolve(file.artifact, self._policy))
        if isinstance(declared, str | PathLike):
            return Path(self._policy.root, declared)
        return profile_of(self._model)
