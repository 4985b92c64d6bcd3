"""The versions of one model, and which of them serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from threading import Lock, Thread
from time import monotonic
from typing import Any

from flask_skmodels import sources
from flask_skmodels.artifacts import Artifact, Loaded, Policy, resolve
from flask_skmodels.errors import ArtifactError, ModelError, SKModelsError, UnknownModel
from flask_skmodels.models import Model, declared_methods_of, name_of
from flask_skmodels.served import Fixed, Served, Version, check_version
from flask_skmodels.signals import Sender, model_load_failed, model_loaded, tell
from flask_skmodels.sources import File

__all__ = ["Fixed", "Served", "Version", "Versions"]

KEPT = 3  # versions that neither serve nor are on trial, but were asked for by their address

_Event = tuple[str | None, Version | SKModelsError]


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a file is refused.

    :param stamp: of its folder at that time
    :param error: why; without a traceback, which would keep in memory what was read
    :param loads: whether it loads, and only may not take the place of the version that serves
    """

    file: File
    stamp: sources.Stamp
    error: SKModelsError
    loads: bool


class Versions:
    """The versions of one model on one application.

    A new version is loaded and checked aside, and takes over by one assignment: who holds the old
    one finishes on it. What the lock guards is written under it alone; it is read without, so a
    request waits for a load only if it needs what is loaded.

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
        self.is_folder = sources.is_folder(artifact, policy)
        self.is_down = False
        self._artifact = artifact
        self._policy = policy
        self._pinned = pinned
        self._on_trial = {*(model.traffic or ()), *filter(None, [model.shadow])}
        self._interval = interval
        self._looked_at = monotonic()
        self._marker = sources.marker(artifact, policy)
        self._requested_at = sources.requested_at(self._marker)
        self._files: Mapping[str | None, File] = {}
        self._loaded: dict[str | None, tuple[File, Version]] = {}
        self._asked_at: dict[str | None, float] = {}
        self._refused: dict[str | None, _Refusal] = {}
        self._problem: str | None = None
        self._live: Version | None = None
        self._stamp: sources.Stamp = (0, 0)
        self._events: list[_Event] = []
        self._lock = Lock()
        self._looking = Lock()

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are served, before anything is loaded those that may be."""
        live = self._live
        return declared_methods_of(self.model) if live is None else live.methods

    @property
    def live(self) -> Version | None:
        """The version that serves, None as long as it is not loaded."""
        return self._live

    @property
    def failures(self) -> Mapping[str | None, str]:
        """Why versions that are there were refused; by None what is wrong with all of them."""
        files = self._files
        found = {} if self._problem is None else {None: self._problem}
        refused = list(self._refused.items())
        return found | {k: str(v.error) for k, v in refused if files.get(k) == v.file}

    def describe(self) -> list[dict[str, Any]]:
        """Return the label of each version, the newest first, and what is known of the loaded."""
        if not self.is_folder:
            return []
        labels = sources.newest_first(self._files)
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
        self.current(sender)
        with self._changing(sender):
            self._load_trials(self._files)

    def check_pin(self) -> None:
        """Raise ModelError unless the version that the model is pinned to is there."""
        if self._pinned is not None:
            try:
                self._candidates(self._found())
            except SKModelsError as error:
                raise self._named(error) from error

    def current(self, sender: Sender) -> Version:
        """Return the version that serves, loaded if it was not yet.

        :raises ArtifactError: no version can be loaded
        :raises ModelError: no version can be served, or the one that it is pinned to is not there
        """
        live = self._live
        if live is not None:
            return live
        with self._changing(sender):
            try:
                return self._live or self._update()
            except SKModelsError:
                self.is_down = True
                raise

    def get(self, label: str, sender: Sender) -> Version:
        """Return a version by its label.

        :raises UnknownModel: the model has no such version
        :raises ArtifactError: it cannot be loaded
        :raises ModelError: it cannot be served
        """
        version = self._at_hand(label)
        if version is not None:
            self._asked_at[label] = monotonic()
            return version
        with self._changing(sender):
            self._files = self._files or self._found()
            version = self._at_hand(label) or self._load(label, self._file(label))
            self._asked_at[label] = monotonic()
            self._forget()
            return version

    def unload(self) -> None:
        """Let go of what is loaded; it is loaded again at its next use."""
        with self._lock:
            self._loaded = {}
            self._live = None

    def request_reload(self) -> None:
        """Ask every process that serves the folder to look at it at its next request.

        :raises ArtifactError: the folder cannot be written
        """
        sources.request_reload(self._marker)

    def look(self, sender: Sender) -> None:
        """Look for a newer version aside, if it is time to, or if a reload was asked for."""
        if not self._is_due() or not self._looking.acquire(blocking=False):
            return
        self._looked_at = monotonic()
        self._requested_at = sources.requested_at(self._marker)
        try:
            Thread(target=self._refresh_aside, args=(sender,), daemon=True).start()
        except RuntimeError as error:  # no more threads: at the next request then
            self._looking.release()
            sender.logger.warning("model %r is not looked at: %s", self.name, error)

    def refresh(self, sender: Sender) -> None:
        """Look at the folder now; swap in the newest version that loads and passes its checks."""
        try:
            with self._changing(sender):
                self._update(with_trials=True)
                self._forget()
        except SKModelsError as error:
            sender.logger.debug("model %r stays as it is: %s", self.name, error)

    def _refresh_aside(self, sender: Sender) -> None:
        try:
            self.refresh(sender)
        except Exception:
            sender.logger.exception("looking at the versions of model %r failed", self.name)
        finally:
            self._looking.release()

    @contextmanager
    def _changing(self, sender: Sender) -> Iterator[None]:
        """Hold the lock; tell what happened when it is free: receivers may predict."""
        try:
            with self._lock:
                try:
                    yield
                finally:
                    events, self._events = self._events, []
        finally:
            for event in events:
                self._tell(event, sender)

    def _tell(self, event: _Event, sender: Sender) -> None:
        label, found = event
        if isinstance(found, Version):
            artifact = found.artifact()
            tell(model_loaded, sender, model=self.model, version=label, artifact=artifact)
        else:
            sender.logger.error("%s", found)
            tell(model_load_failed, sender, model=self.model, version=label, exception=found)

    def _is_due(self) -> bool:
        if self.is_down:
            return monotonic() - self._looked_at >= sources.LOOK_WHILE_DOWN
        if self._live is None:
            return False
        if self._interval is not None and monotonic() - self._looked_at >= self._interval:
            return True
        return self.is_folder and sources.requested_at(self._marker) != self._requested_at

    def _update(self, *, with_trials: bool = False) -> Version:
        """Look for the files, and have the newest that is good serve."""
        try:
            files = self._found()
            candidates = self._candidates(files)
        except SKModelsError as error:
            raise self._refuse_all(error) from error
        self._problem = None
        live = self._first_good(candidates, files)
        if with_trials:
            self._load_trials(files)
        self._files, self._live, self.is_down = files, live, False
        return live

    def _found(self) -> Mapping[str | None, File]:
        self._stamp = sources.stamp(self._artifact, self._policy)
        return sources.find(self._artifact, self._policy)

    def _candidates(self, files: Mapping[str | None, File]) -> list[str | None]:
        """Return the labels of the versions that may serve, the best first."""
        if self._pinned is None:
            newest = sources.newest_first(files)
            return [label for label in newest if label not in self._on_trial] or newest
        if self._pinned not in files:
            raise ModelError(
                f"model {self.name!r} is pinned to version {self._pinned!r}, which is not there; "
                f"it has {sources.listed(files)}"
            )
        return [self._pinned]

    def _first_good(
        self, candidates: list[str | None], files: Mapping[str | None, File]
    ) -> Version:
        """Return the first candidate that can serve; the version that serves is one that can."""
        first: SKModelsError | None = None
        for label in candidates:
            try:
                return self._checked(label, files[label])
            except SKModelsError as error:
                first = first or error
            if self._live is not None and self._live.label == label:
                return self._live  # its file is another now, which is no good
        self._files = files
        raise first or ModelError(f"model {self.name!r} has no version")

    def _checked(self, label: str | None, file: File) -> Version:
        live = self._live
        self._raise_refused(label, file)
        version = self._load(label, file)
        if live is None or version is live:
            return version
        try:
            check_version(version, live)
        except SKModelsError as error:
            self._events = [event for event in self._events if event[1] is not version]
            raise self._refuse(label, file, error, loads=True) from error
        self._refused.pop(label, None)
        return version

    def _load(self, label: str | None, file: File) -> Version:
        """Return a version, loaded unless it is, or was refused before."""
        known = self._loaded.get(label)
        if known is not None and known[0] == file:
            return known[1]
        self._raise_refused(label, file, unless_it_loads=True)
        try:
            version = self._made(label, sources.load_once(file, self._policy))
        except SKModelsError as error:
            raise self._refuse(label, file, error) from error
        if label in self._refused and not self._refused[label].loads:
            del self._refused[label]
        self._loaded[label] = (file, version)
        self._events.append((label, version))
        return version

    def _made(self, label: str | None, loaded: Loaded) -> Version:
        model = copy(self.model)
        model.pipeline = loaded.estimator
        try:
            return Version(model, label, loaded)
        except ModelError as error:
            raise ArtifactError.of(loaded.path, error) from error
        except Exception as error:
            reason = f"it cannot be served: {type(error).__name__}: {error}"
            raise ArtifactError(loaded.path, reason) from error

    def _raise_refused(
        self, label: str | None, file: File, *, unless_it_loads: bool = False
    ) -> None:
        """Raise why a file was refused, unless something beside it may have changed that."""
        known = self._refused.get(label)
        if known is None or (known.file, known.stamp) != (file, self._stamp):
            return
        if not (known.loads and unless_it_loads):
            raise copy(known.error)

    def _refuse(
        self, label: str | None, file: File, error: SKModelsError, *, loads: bool = False
    ) -> SKModelsError:
        """Note and return why a file is refused, to be told once a file."""
        path = resolve(file.artifact, self._policy)
        named = self._named(
            error if isinstance(error, ArtifactError) else ArtifactError.of(path, error)
        )
        known = self._refused.get(label)
        self._refused[label] = _Refusal(file, self._stamp, named, loads)
        if known is None or known.file != file:
            self._events.append((label, copy(named)))
        return copy(named)

    def _refuse_all(self, error: SKModelsError) -> SKModelsError:
        named = self._named(error)
        if self._problem != str(named):
            self._problem = str(named)
            self._events.append((self._pinned, copy(named)))
        return named

    def _named(self, error: SKModelsError) -> SKModelsError:
        """Return a copy of an error that names the model, without its traceback."""
        if isinstance(error, ArtifactError):
            return ArtifactError(error.path, error.reason, model=self.name)
        return copy(error)

    def _at_hand(self, label: str | None) -> Version | None:
        """Return a version that is loaded and up to date; the one that serves always is."""
        live, known = self._live, self._loaded.get(label)
        if live is not None and live.label == label:
            return live
        return known[1] if known is not None and known[0] == self._files.get(label) else None

    def _file(self, label: str) -> File:
        file = self._files.get(label)
        if file is None:
            known = sources.listed(self._files)
            raise UnknownModel(f"model {self.name!r} has no version {label!r}; it has {known}")
        return file

    def _load_trials(self, files: Mapping[str | None, File]) -> None:
        for label in sorted(self._on_trial & {each for each in files if each is not None}):
            with suppress(SKModelsError):  # it is noted
                self._load(label, files[label])

    def _forget(self) -> None:
        """Let go of versions that are gone, and of others but those asked for most recently."""
        live = None if self._live is None else self._live.label
        asked = dict(self._asked_at)
        others = {*asked} - {live, *self._on_trial}
        latest = sorted(others, key=lambda label: asked[label], reverse=True)[:KEPT]
        kept = {live, *self._on_trial, *latest} & {*self._files}
        self._loaded = {k: v for k, v in self._loaded.items() if k in kept}
        self._asked_at = {k: v for k, v in asked.items() if k in kept}
        self._refused = {k: v for k, v in self._refused.items() if k in self._files}
