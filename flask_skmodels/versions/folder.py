"""The versions of a model whose versions are files, and the live version among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from threading import Lock

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.exceptions import SKModelsError, UnknownModel
from flask_skmodels.models import Model, declared_methods_of, name_of
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.signals import Sender
from flask_skmodels.versions import discovery, events, lifecycle
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.lifecycle import Absent, Down, LifecycleState, Live, Unproven
from flask_skmodels.versions.load_limit import LoadLimit
from flask_skmodels.versions.loaded_models import LoadedModels
from flask_skmodels.versions.loader import VersionLoader
from flask_skmodels.versions.polling import Polling
from flask_skmodels.versions.promotion import Promotion
from flask_skmodels.versions.trials import Trials
from flask_skmodels.versions.version import ModelVersion


class VersionFolder:
    """The versions of one model in one application.

    Its state is one of five. The transitions are the functions of
    :mod:`~flask_skmodels.versions.lifecycle`::

        Absent --stage--> Unproven --go_live--> Live --unload--> Unloaded
          ^                  |                  ^  ^                 |
          +------unload------+                  |  +-----go_live-----+
                                                |
        Absent --go_live------------------------+  loaded by a request, or by start
        Live --go_live--------------------------+  replaced by a newer version
        Down --go_live--------------------------+  loaded at last

        Absent or Unloaded --fail--> Down          needed, but nothing can be loaded

    - ``stage``: :meth:`start` has loaded a version before a fork. Nothing may predict before the
      fork, so the version has not predicted the examples of the model yet. It does so at the first
      request. A model without examples goes live at once.
    - ``go_live``: a version has passed its checks and serves. If no version has ever passed its
      checks, a version that only loads serves.
    - ``unload``: the memory is needed for other models. The next request loads the model again.
    - ``fail``: a request needed the model, but no version could be loaded. The next request tries
      again, and so does :meth:`poll`.

    A new version is loaded and checked by the thread that needs it, while requests use the old
    version; a single assignment of the state switches to the new one. The state is written only
    under the lock, and read without the lock. A request that names a version does not take the
    lock, so it waits for a load only if that version is being loaded. Signals are sent when the
    lock is free.

    :param model: the declaration, with an artifact as its pipeline
    :param artifact: the file or folder
    :param policy: how artifacts are loaded
    :param pinned: label of the version to serve; if None, the newest version that is neither a
        canary nor the shadow
    :param interval: seconds between two polls of the folder, None to poll only when a reload is
        requested
    :param trials: tries a file before it is loaded; None to load files untried
    :param loaded_models: limits the number of loaded models, None for no limit
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
        trials: Trials | None = None,
        loaded_models: LoadedModels | None = None,
    ) -> None:
        self.model = model
        self.name = name_of(model)
        self.is_folder = discovery.is_folder(artifact, policy)
        self._loader = VersionLoader(model, artifact, policy, trials)
        self._promotion = Promotion(model, self._loader, pinned)
        self._loaded_models = loaded_models
        self._polling = Polling(self.name, artifact, policy, interval)
        self._files: Mapping[str | None, File] = {}
        self._state: LifecycleState = Absent()
        self._unload_requested = False
        self._lock = Lock()

    @property
    def live(self) -> ModelVersion | None:
        """The live version, or before the first request the one to be live; None if unloaded."""
        return self._state.version

    @property
    def is_down(self) -> bool:
        """True if a request needed the model and no version could be loaded."""
        return isinstance(self._state, Down)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are served; before a version is loaded, those that may be served."""
        version = self.live
        return declared_methods_of(self.model) if version is None else version.methods

    @property
    def failures(self) -> Mapping[str | None, str]:
        """The reasons why versions were rejected, by label; the key None is for all versions."""
        return self._loader.rejected.messages(self._files)

    def describe(self) -> list[JSONObject]:
        """Return an entry for each version, the newest first; a loaded version has its artifact.

        ``is_failed`` is true for a version that could not be loaded or has failed its checks; the
        entries of other versions do not have this key.
        """
        if not self.is_folder:
            return []
        labels, failures = discovery.newest_first(self._files), self.failures
        versions = [(label, self.loaded(label)) for label in labels]
        return [
            {"version": label, "is_loaded": version is not None}
            | ({"is_failed": True} if label in failures else {})
            | ((version and version.artifact()) or {})
            for label, version in versions
        ]

    def check_pin(self) -> None:
        """Check that the version that the model is pinned to exists.

        :raises ModelError: the version does not exist
        :raises ArtifactError: the folder contains no version or cannot be listed
        """
        if self._promotion.pinned is not None:
            try:
                self._promotion.candidates(self._loader.find())
            except SKModelsError as error:
                raise self._loader.named(error) from error

    def start(self, sender: Sender) -> None:
        """Load the version to serve, and the canaries and the shadow if they can be loaded.

        :raises ArtifactError: no version can be loaded
        :raises ModelError: no version can be served, or the pinned version does not exist
        """
        with self._changing(sender, is_start=True):
            self._update(with_others=True, may_predict=not isinstance(self._state, Absent))

    def current(self, sender: Sender) -> ModelVersion:
        """Return the live version; load it if necessary.

        :raises ArtifactError: no version can be loaded
        :raises ModelError: no version can be served, or the pinned version does not exist
        """
        state = self._state
        if isinstance(state, Live):
            return state.version
        with self._changing(sender):
            state = self._state
            try:
                return state.version if isinstance(state, Live) else self._prove() or self._update()
            except SKModelsError:
                self._state = lifecycle.fail(self._state)
                raise

    def get(self, label: str, sender: Sender, limit: LoadLimit | None = None) -> ModelVersion:
        """Return a version by its label; load it if necessary.

        :param limit: the limit on loads that clients cause, None if no client names the version
        :raises TooManyLoads: the version is not loaded, and clients have caused too many loads
        :raises UnknownModel: the model has no version with this label
        :raises ArtifactError: the version cannot be loaded
        :raises ModelError: the version cannot be served
        """
        version = self.loaded(label)
        if version is not None:
            self._loader.cache.touch(label)
            return version
        with self._reporting(sender):
            if not self._files:
                self._files = self._loader.find()
            file = self._file(label)
            version = self._loader.load(label, file, limit, is_requested=True)
            self._evict()
            return version

    def get_shadow(self, label: str, sender: Sender) -> ModelVersion | None:
        """Return a version that predicts alongside the live version, None if the model is unloaded.

        :raises SKModelsError: as :meth:`get`
        """
        version = self.loaded(label)
        if version is not None:
            return version
        with self._reporting(sender):
            return None if self.live is None else self._loader.load(label, self._file(label))

    def touch(self) -> None:
        """Record a use of the model; if too many models are loaded, unload another one."""
        if self._loaded_models is not None:
            self._loaded_models.touch(self)

    def unload(self) -> None:
        """Unload all versions; the next request loads them again.

        This does not wait: if another thread holds the lock, that thread unloads them when it is
        done.
        """
        self._unload_requested = True
        self._unload_if_requested()

    def request_reload(self) -> None:
        """Make every process that serves the folder poll it at its next request.

        :raises ArtifactError: the folder cannot be written
        """
        self._polling.request()

    def poll(self, sender: Sender) -> None:
        """Start a thread that loads a newer version, if it is time or a reload was requested."""
        state = self._state
        if isinstance(state, Down):
            is_due = self._polling.is_due_while_down()
        else:
            is_due = isinstance(state, Live) and self._polling.is_due()
        if is_due:
            self._polling.start(partial(self._refresh, sender, loads=False), sender)

    def refresh(self, sender: Sender) -> None:
        """Serve the newest version that loads and passes its checks; if there is none, log why."""
        self._refresh(sender, loads=True)

    def _refresh(self, sender: Sender, *, loads: bool) -> None:
        """Serve the newest version; load a model that is not loaded only if ``loads`` is true."""
        try:
            with self._changing(sender):
                if loads or self.live is not None or self.is_down:
                    self._prove()
                    self._update(with_others=True)
                    self._evict()
        except SKModelsError as error:
            sender.logger.debug("model %r keeps its version: %s", self.name, error)

    @contextmanager
    def _changing(self, sender: Sender, *, is_start: bool = False) -> Iterator[None]:
        """Hold the lock; after its release, report the versions that were loaded or have failed."""
        with self._reporting(sender, is_start=is_start), self._lock:
            yield

    @contextmanager
    def _reporting(self, sender: Sender, *, is_start: bool = False) -> Iterator[None]:
        """At the end, report the versions that this thread has loaded or that have failed.

        :param is_start: True while the application is started; an exception then ends it
        """
        raised: SKModelsError | None = None
        try:
            yield
        except SKModelsError as error:
            raised = error if is_start else None
            raise
        finally:
            self._unload_if_requested()
            if self._loader.cache:
                self.touch()
            events.report_events(self._loader.events.take(), self.model, sender, raised)

    def _unload_if_requested(self) -> None:
        while self._unload_requested and self._lock.acquire(blocking=False):
            try:
                self._unload_requested = False
                self._state = lifecycle.unload(self._state)
                self._loader.cache.clear()
            finally:
                self._lock.release()

    def _update(self, *, with_others: bool = False, may_predict: bool = True) -> ModelVersion:
        """List the files and switch to the newest version that passes its checks."""
        try:
            files = self._loader.find()
            candidates = self._promotion.candidates(files)
        except SKModelsError as error:
            raise self._loader.reject_all(self._promotion.pinned, error) from error
        self._loader.rejected.clear_reason_of_all()
        version = self._switch(candidates, files, may_predict=may_predict)
        if with_others:
            self._load_others(files)
        return version

    def _prove(self) -> ModelVersion | None:
        """Check the version that was loaded at startup; if it fails, switch to an older version."""
        if not isinstance(self._state, Unproven):
            return None
        return self._switch(self._promotion.candidates(self._files), self._files)

    def _switch(
        self,
        candidates: list[str | None],
        files: Mapping[str | None, File],
        *,
        may_predict: bool = True,
    ) -> ModelVersion:
        choose = self._promotion.choose
        try:
            version = choose(candidates, files, self._state, may_predict=may_predict)
        finally:
            self._files = files
        if may_predict or not self.model.examples:
            self._state = lifecycle.go_live(version, self._loader.cache.file_of(version))
        else:
            self._state = lifecycle.stage(version)
        return version

    def loaded(self, label: str | None) -> ModelVersion | None:
        """Return a version if it is loaded and its file is unchanged, or if it is live."""
        live = self.live
        if live is not None and live.label == label:
            return live
        return self._loader.cache.get(label, self._files.get(label))

    def _file(self, label: str) -> File:
        file = self._files.get(label)
        if file is None:
            known = discovery.labels_text(self._files)
            raise UnknownModel(
                f"model {self.name!r} has no version {label!r}; its versions: {known}"
            )
        return file

    def _load_others(self, files: Mapping[str | None, File]) -> None:
        """Load the canaries and the shadow; the loader keeps the errors of versions that fail."""
        for label in sorted(label for label in self._promotion.beside_live if label in files):
            with suppress(SKModelsError):
                self._loader.load(label, files[label])

    def _evict(self) -> None:
        """Drop versions whose file is gone, and versions neither needed nor requested recently."""
        live = None if self.live is None else self.live.label
        self._loader.cache.evict({live, *self._promotion.beside_live}, self._files)
        self._loader.rejected.keep(self._files)
