"""The versions of one model, and which of them serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any

from flask_skmodels.artifacts.loading import Artifact, Policy
from flask_skmodels.errors import ModelError, SKModelsError, UnknownModel
from flask_skmodels.models import Model, declared_methods_of, name_of
from flask_skmodels.signals import Sender, model_load_failed, model_loaded, notify
from flask_skmodels.versions import discovery
from flask_skmodels.versions.cache import Event, VersionCache
from flask_skmodels.versions.compatibility import Compatibility, check_examples
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.polling import Polling
from flask_skmodels.versions.version import ModelVersion

KEPT = 3  # versions that neither serve nor are on trial, but were asked for by their address


class VersionFolder:
    """The versions of one model on one application.

    A new version is loaded and checked aside, and takes over by one assignment: who holds the old
    one finishes on it. What the lock guards is written under it alone; it is read without, so a
    request waits for a load only if it needs what is loaded.

    What is loaded at the start has not answered the examples: nothing may predict before a fork.
    It does so when the first request comes, and if it fails an older version serves.

    :param model: the declaration, with an artifact as its pipeline
    :param artifact: the file or folder
    :param policy: how artifacts are loaded
    :param pinned: the version that serves; where None the newest that is not on trial, which the
        canaries and the shadow are
    :param interval: seconds between two looks at the folder, None for no looks
    """

    is_reloadable = True

    def __init__(
        self,
        model: Model,
        artifact: Artifact,
        policy: Policy,
        *,
        pinned: str | None = None,
        interval: float | None = None,
    ) -> None:
        self.model = model
        self.name = name_of(model)
        self.is_folder = discovery.is_folder(artifact, policy)
        self.is_down = False
        self._cache = VersionCache(model, artifact, policy)
        self._pinned = pinned
        self._on_trial = {*(model.traffic or ()), *filter(None, [model.shadow])}
        self._polling = Polling(self.name, artifact, policy, interval)
        self._files: Mapping[str | None, File] = {}
        self._asked_at: dict[str | None, float] = {}
        self._problem: str | None = None
        self._live: ModelVersion | None = None
        self._started: ModelVersion | None = None  # has not answered the examples yet
        self._served: tuple[str | None, File | None] | None = (
            None  # what served last, also if let go of
        )
        self._contract: Compatibility | None = None  # of what served last
        self._is_unwanted = False
        self.on_load: Callable[[], None] = lambda: None
        self._lock = Lock()

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are served, before anything is loaded those that may be."""
        live = self.live
        return declared_methods_of(self.model) if live is None else live.methods

    @property
    def live(self) -> ModelVersion | None:
        """The version that serves, None as long as it is not loaded."""
        return self._live or self._started

    @property
    def failures(self) -> Mapping[str | None, str]:
        """Why versions that are there were refused; by None what is wrong with all of them."""
        found = {} if self._problem is None else {None: self._problem}
        return found | self._cache.failures(self._files)

    def describe(self) -> list[dict[str, Any]]:
        """Return the label of each version, the newest first, and what is known of the loaded."""
        if not self.is_folder:
            return []
        labels = discovery.newest_first(self._files)
        found = [(label, self._at_hand(label)) for label in labels]
        return [
            {"version": label, "is_loaded": version is not None}
            | ((version and version.artifact()) or {})
            for label, version in found
        ]

    def start(self, sender: Sender) -> None:
        """Load the version that serves, and those on trial if they load.

        :raises ArtifactError: no version can be loaded
        :raises ModelError: no version can be served, or the one that it is pinned to is not there
        """
        with self._changing(sender):
            self._update(with_trials=True, may_predict=False)

    def check_pin(self) -> None:
        """Raise ModelError unless the version that the model is pinned to is there."""
        if self._pinned is not None:
            try:
                self._candidates(self._cache.find())
            except SKModelsError as error:
                raise self._cache.named(error) from error

    def current(self, sender: Sender) -> ModelVersion:
        """Return the version that serves, loaded if it was not yet.

        :raises ArtifactError: no version can be loaded
        :raises ModelError: no version can be served, or the one that it is pinned to is not there
        """
        live = self._live
        if live is not None:
            return live
        with self._changing(sender):
            try:
                return self._live or self._proven() or self._update()
            except SKModelsError:
                self.is_down = True
                raise

    def get(self, label: str, sender: Sender) -> ModelVersion:
        """Return a version by its label.

        :raises UnknownModel: the model has no such version
        :raises ArtifactError: it cannot be loaded
        :raises ModelError: it cannot be served
        """
        version = self._at_hand(label)
        if version is not None:
            self._asked_at[label] = monotonic()
            return version
        if self._files:
            self._file(label)  # what is not there is not waited for
        with self._changing(sender):
            self._files = self._files or self._cache.find()
            version = self._at_hand(label) or self._cache.load(label, self._file(label))
            self._asked_at[label] = monotonic()
            self._forget()
            return version

    def beside(self, label: str, sender: Sender) -> ModelVersion | None:
        """Return a version that is asked beside the one that serves, None if that was let go of.

        :raises SKModelsError: as :meth:`get`
        """
        version = self._at_hand(label)
        if version is not None:
            return version
        with self._changing(sender):
            return None if self.live is None else self._cache.load(label, self._file(label))

    def unload(self) -> None:
        """Let go of what is loaded; it is loaded again at its next use.

        Whoever loads at this moment does so when that is done: nobody waits for it.
        """
        self._is_unwanted = True
        self._let_go()

    def _let_go(self) -> None:
        while self._is_unwanted and self._lock.acquire(blocking=False):
            try:
                self._is_unwanted = False
                if self._live is not None:
                    self._contract = Compatibility.of(self._live)
                self._live = self._started = None
                self._cache.clear()
            finally:
                self._lock.release()

    def request_reload(self) -> None:
        """Ask every process that serves the folder to look at it at its next request.

        :raises ArtifactError: the folder cannot be written
        """
        self._polling.request()

    def look(self, sender: Sender) -> None:
        """Look for a newer version aside, if it is time to, or if a reload was asked for."""
        if self.is_down:
            is_due = self._polling.is_due_while_down()
        else:
            is_due = self._live is not None and self._polling.is_due()
        if is_due:
            self._polling.start(partial(self._refresh, sender, loads=False), sender)

    def refresh(self, sender: Sender) -> None:
        """Look at the folder now; swap in the newest version that loads and passes its checks."""
        self._refresh(sender, loads=True)

    def _refresh(self, sender: Sender, *, loads: bool) -> None:
        try:
            with self._changing(sender):
                if loads or self.live is not None or self.is_down:
                    self._proven()
                    self._update(with_trials=True)
                    self._forget()
        except SKModelsError as error:
            sender.logger.debug("model %r stays as it is: %s", self.name, error)

    @contextmanager
    def _changing(self, sender: Sender) -> Iterator[None]:
        """Hold the lock; tell what happened when it is free: receivers may predict."""
        try:
            with self._lock:
                try:
                    yield
                finally:
                    events = self._cache.take_events()
        finally:
            self._let_go()
            if self._cache:
                self.on_load()
            for event in events:
                self._tell(event, sender)

    def _tell(self, event: Event, sender: Sender) -> None:
        label, found = event
        if isinstance(found, ModelVersion):
            artifact = found.artifact()
            notify(model_loaded, sender, model=self.model, version=label, artifact=artifact)
        else:
            sender.logger.error("%s", found)
            notify(model_load_failed, sender, model=self.model, version=label, exception=found)

    def _update(self, *, with_trials: bool = False, may_predict: bool = True) -> ModelVersion:
        """Look for the files, and have the newest that is good serve."""
        try:
            files = self._cache.find()
            candidates = self._candidates(files)
        except SKModelsError as error:
            raise self._refuse_all(error) from error
        self._problem = None
        live = self._swap(candidates, files, may_predict=may_predict)
        if with_trials:
            self._load_trials(files)
        return live

    def _proven(self) -> ModelVersion | None:
        """Return what was loaded at the start, or an older version if it fails on the examples."""
        if self._started is None:
            return None
        return self._swap(self._candidates(self._files), self._files)

    def _swap(
        self,
        candidates: list[str | None],
        files: Mapping[str | None, File],
        *,
        may_predict: bool = True,
    ) -> ModelVersion:
        version = self._first_good(candidates, files, may_predict=may_predict)
        self._files, self.is_down = files, False
        if may_predict or not self.model.examples:
            self._live, self._started = version, None
            self._served = version.label, self._cache.file_of(version)
        else:
            self._started = version
        return version

    def _candidates(self, files: Mapping[str | None, File]) -> list[str | None]:
        """Return the labels of the versions that may serve, the best first."""
        if self._pinned is None:
            newest = discovery.newest_first(files)
            return [label for label in newest if label not in self._on_trial] or newest
        if self._pinned not in files:
            raise ModelError(
                f"model {self.name!r} is pinned to version {self._pinned!r}, which is not there; "
                f"it has {discovery.listed(files)}"
            )
        return [self._pinned]

    def _first_good(
        self,
        candidates: list[str | None],
        files: Mapping[str | None, File],
        *,
        may_predict: bool,
    ) -> ModelVersion:
        """Return the first candidate that can serve; the version that serves is one that can."""
        first: SKModelsError | None = None
        for label in candidates:
            try:
                return self._checked(label, files[label], may_predict=may_predict)
            except SKModelsError as error:
                first = first or error
            if self._live is not None and self._live.label == label:
                return self._live  # its file is another now, which is no good
        spare = self._spare(candidates, files)
        if spare is not None:
            return spare
        self._files = files
        raise first or ModelError(f"model {self.name!r} has no version")

    def _spare(
        self, candidates: list[str | None], files: Mapping[str | None, File]
    ) -> ModelVersion | None:
        """Return a version that loads, if nothing has served in this process yet."""
        if self._live is not None or self._contract is not None:
            return None
        if self._started is not None:
            return self._started
        for label in candidates:
            version = self._cache.at_hand(label, files[label])
            if version is not None:
                self._cache.tell(label, version)
                return version
        return None

    def _checked(self, label: str | None, file: File, *, may_predict: bool) -> ModelVersion:
        if self._served == (label, file):
            return self._cache.load(label, file)
        self._cache.check(label, file)
        version = self._cache.load(label, file)
        try:
            self._check(version, may_predict=may_predict)
        except SKModelsError as error:
            self._cache.hush(version)
            raise self._cache.refuse(label, file, error, loads=True) from error
        self._cache.accept(label)
        return version

    def _check(self, version: ModelVersion, *, may_predict: bool) -> None:
        contract = self._contract if self._live is None else Compatibility.of(self._live)
        if contract is not None:
            contract.check(version)
        if may_predict:
            check_examples(version)

    def _refuse_all(self, error: SKModelsError) -> SKModelsError:
        named = self._cache.named(error)
        if self._problem != str(named):
            self._problem = str(named)
            self._cache.tell(self._pinned, copy(named))
        return named

    def _at_hand(self, label: str | None) -> ModelVersion | None:
        """Return a version that is loaded and up to date; the one that serves always is."""
        live = self.live
        if live is not None and live.label == label:
            return live
        return self._cache.at_hand(label, self._files.get(label))

    def _file(self, label: str) -> File:
        file = self._files.get(label)
        if file is None:
            known = discovery.listed(self._files)
            raise UnknownModel(f"model {self.name!r} has no version {label!r}; it has {known}")
        return file

    def _load_trials(self, files: Mapping[str | None, File]) -> None:
        for label in sorted(self._on_trial & {each for each in files if each is not None}):
            with suppress(SKModelsError):  # it is noted
                self._cache.load(label, files[label])

    def _forget(self) -> None:
        """Let go of versions that are gone, and of others but those asked for most recently."""
        live = None if self.live is None else self.live.label
        asked = dict(self._asked_at)
        others = {*asked} - {live, *self._on_trial}
        latest = sorted(others, key=lambda label: asked[label], reverse=True)[:KEPT]
        kept = {live, *self._on_trial, *latest}
        self._cache.keep(kept, self._files)
        self._asked_at = {k: v for k, v in asked.items() if k in kept and k in self._files}
