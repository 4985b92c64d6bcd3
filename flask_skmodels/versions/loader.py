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
from flask_skmodels.exceptions import ArtifactError, ModelError, SKModelsError, in_one_line
from flask_skmodels.models import Model, name_of, profile_of
from flask_skmodels.versions import discovery, loaded_files
from flask_skmodels.versions.cache import VersionCache
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.events import Events
from flask_skmodels.versions.keyed_locks import KeyedLocks
from flask_skmodels.versions.load_limit import LoadLimit
from flask_skmodels.versions.rejected_files import RejectedFiles
from flask_skmodels.versions.trials import Trials
from flask_skmodels.versions.version import ModelVersion


class VersionLoader:
    """Loads the versions of one model. Threads may load different versions at the same time.

    :param model: the declaration
    :param artifact: the file or folder of the model
    :param policy: how artifacts are loaded
    :param trials: tries a file before it is loaded; None to load files untried
    :ivar cache: the loaded versions
    :ivar rejected: the rejected files
    :ivar events: loads and failures that are not reported yet
    """

    def __init__(
        self, model: Model, artifact: Artifact, policy: Policy, trials: Trials | None = None
    ) -> None:
        self._model = model
        self._artifact = artifact
        self._policy = policy
        self._trials = trials
        self._loading = KeyedLocks()  # by label
        self.cache = VersionCache()
        self.rejected = RejectedFiles()
        self.events = Events()

    def find(self) -> Mapping[str | None, File]:
        """Return the files that exist now, as :func:`~.discovery.find` does.

        :raises ArtifactError: there are no files, or they cannot be listed
        """
        try:
            self.rejected.stamp = discovery.stamp(self._artifact, self._policy)
            return discovery.find(self._artifact, self._policy)
        except SKModelsError:
            raise
        except Exception as error:
            reason = f"it cannot be listed: {in_one_line(error)}"
            raise ArtifactError(resolve(self._artifact, self._policy), reason) from error

    def load(
        self,
        label: str | None,
        file: File,
        limit: LoadLimit | None = None,
        *,
        is_requested: bool = False,
    ) -> ModelVersion:
        """Return a version; load it unless it is loaded or its file is known to be bad.

        A thread waits for another thread only if both load the same version.

        :param limit: the limit against which this load counts, None if no client causes it
        :param is_requested: True if a request names the version
        :raises ArtifactError: the version cannot be loaded
        :raises TooManyLoads: clients have caused too many loads
        """
        with self._loading.holding(label):
            version = self.cache.get(label, file)
            if version is None:
                version = self._load(label, file, limit)
                if is_requested:
                    self.cache.touch(label)
                self.cache.put(label, file, version)
            return version

    def _load(self, label: str | None, file: File, limit: LoadLimit | None) -> ModelVersion:
        self.rejected.check(label, file, unless_it_loads=True)
        if limit is not None:
            limit.take(name_of(self._model))
        try:
            loaded = loaded_files.load_once(file, self._policy, self._model, self._trials)
            version = self.version_of(label, file, loaded)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, SKModelsError) else error
            raise self.reject(label, file, error) from cause
        self.rejected.accept_load(label)
        self.events.add(label, version)
        return version

    def reject(
        self, label: str | None, file: File, error: Exception, *, loads: bool = False
    ) -> SKModelsError:
        """Record why a file is rejected, to be reported once for each file.

        :param error: the reason
        :param loads: True if the file loads, but may not replace the live version
        :returns: the exception to raise
        """
        named = self.named(self._artifact_error(file, error))
        if self.rejected.add(label, file, named, loads=loads):
            self.events.add(label, copy(named))
        return copy(named)

    def reject_all(self, label: str | None, error: SKModelsError) -> SKModelsError:
        """Record why no file can serve; it is reported unless the last reason was the same.

        :param label: the version that the model is pinned to, None if it is not pinned
        :returns: the exception to raise
        """
        named = self.named(error)
        if self.rejected.add_reason_of_all(named):
            self.events.add(label, copy(named))
        return named

    def named(self, error: SKModelsError) -> SKModelsError:
        """Return a copy of an error that names the model and has no traceback."""
        if isinstance(error, ArtifactError):
            return ArtifactError(error.path, error.reason, model=name_of(self._model))
        return copy(error)

    def _artifact_error(self, file: File, error: Exception) -> ArtifactError:
        """Return an error of any kind as the error of a file."""
        if isinstance(error, ArtifactError):
            return error
        path = resolve(file.artifact, self._policy)
        if isinstance(error, SKModelsError):
            return ArtifactError.of(path, error)
        return ArtifactError(path, f"it cannot be loaded: {in_one_line(error)}")

    def version_of(self, label: str | None, file: File, loaded: Loaded) -> ModelVersion:
        """Return the version of a loaded file.

        :raises ArtifactError: the version cannot be served
        """
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
        """Return the profile that the model declares, or else the profile beside the file."""
        declared = self._model.profile
        if declared is None:
            return load_profile_beside(resolve(file.artifact, self._policy))
        if isinstance(declared, str | PathLike):
            return Path(self._policy.root, declared)
        return profile_of(self._model)
