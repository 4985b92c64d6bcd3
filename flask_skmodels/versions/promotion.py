"""The choice of the version to serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask_skmodels.exceptions import ModelError, SKModelsError
from flask_skmodels.models import Model, name_of
from flask_skmodels.versions import discovery
from flask_skmodels.versions.compatibility import check_examples
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.lifecycle import LifecycleState, Live, Unproven, last_served
from flask_skmodels.versions.loader import VersionLoader
from flask_skmodels.versions.version import ModelVersion

Files = Mapping[str | None, File]


class Promotion:
    """Chooses the newest version of a model that loads and passes its checks.

    :param model: the declaration
    :param loader: loads the versions of the model
    :param pinned: the only version that may serve; if None, any version that is neither a canary
        nor the shadow
    """

    def __init__(self, model: Model, loader: VersionLoader, pinned: str | None) -> None:
        self._name = name_of(model)
        self._loader = loader
        self.pinned = pinned
        self.beside_live = {*(model.traffic or ()), *filter(None, [model.shadow])}

    def candidates(self, files: Files) -> list[str | None]:
        """Return the labels of the versions that may serve, the best first.

        :raises ModelError: the model is pinned to a version that does not exist
        """
        if self.pinned is None:
            newest = discovery.newest_first(files)
            return [label for label in newest if label not in self.beside_live] or newest
        if self.pinned not in files:
            raise ModelError(
                f"model {self._name!r} is pinned to version {self.pinned!r}, which does not exist; "
                f"its versions: {discovery.labels_text(files)}"
            )
        return [self.pinned]

    def choose(
        self,
        candidates: Sequence[str | None],
        files: Files,
        state: LifecycleState,
        *,
        may_predict: bool,
    ) -> ModelVersion:
        """Return the first candidate that loads and passes its checks.

        The live version stays live if its file has been replaced by a bad file.

        :param state: the state of the model
        :param may_predict: False before a fork, when the examples are not checked
        :raises SKModelsError: no candidate can serve; this is the error of the first candidate
        """
        first: SKModelsError | None = None
        for label in candidates:
            try:
                return self._checked(label, files[label], state, may_predict=may_predict)
            except SKModelsError as error:
                first = first or error
            if isinstance(state, Live) and state.label == label:
                return state.version
        fallback = self._fallback(candidates, files, state)
        if fallback is None:
            raise first or ModelError(f"model {self._name!r} has no version")
        return fallback

    def _checked(
        self, label: str | None, file: File, state: LifecycleState, *, may_predict: bool
    ) -> ModelVersion:
        last = last_served(state)
        if last is not None and (last.label, last.file) == (label, file):
            return self._loader.load(label, file)  # the version has passed its checks before
        self._loader.rejected.check(label, file)
        version = self._loader.load(label, file)
        try:
            if last is not None:
                last.compatibility.check(version)
            if may_predict:
                check_examples(version)
        except Exception as error:
            self._loader.events.discard(version)
            raise self._loader.reject(label, file, error, loads=True) from error
        self._loader.rejected.accept(label)
        return version

    def _fallback(
        self, candidates: Sequence[str | None], files: Files, state: LifecycleState
    ) -> ModelVersion | None:
        """Return a version that loads but fails its checks, if no version has ever served."""
        if last_served(state) is not None:
            return None
        if isinstance(state, Unproven):
            return state.version
        for label in candidates:
            version = self._loader.cache.get(label, files[label])
            if version is not None:
                self._loader.events.add(label, version)
                return version
        return None
