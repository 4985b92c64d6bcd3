"""The states of a model whose versions are files, and the transitions between them.

:class:`~flask_skmodels.versions.folder.VersionFolder` holds the state of a model and contains the
diagram. A state never changes: a transition returns the next one.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask_skmodels.versions.compatibility import Compatibility
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Absent:
    """No version has served in this process, and none is loaded."""

    version = None


@dataclass(frozen=True, slots=True)
class Unproven:
    """A version was loaded at startup; it has not predicted the examples of the model yet."""

    version: ModelVersion


@dataclass(frozen=True, slots=True)
class Live:
    """A version serves.

    :param version: the version
    :param file: the file that it was loaded from, None if the file has been replaced by a bad file
    """

    version: ModelVersion
    file: File | None

    @property
    def label(self) -> str | None:
        """The label of the version."""
        return self.version.label

    @property
    def compatibility(self) -> Compatibility:
        """The fields and methods that the next version must keep."""
        return Compatibility.of(self.version)


@dataclass(frozen=True, slots=True)
class Unloaded:
    """A version has served and was unloaded; the next request loads it again.

    :param label: the label of the version that served last
    :param file: the file of this version
    :param compatibility: the fields and methods that the next version must keep
    """

    label: str | None
    file: File | None
    compatibility: Compatibility
    version = None


@dataclass(frozen=True, slots=True)
class Down:
    """A request needed the model, and no version could be loaded.

    :param last: the version that served last, None if none has served yet
    """

    last: Unloaded | None
    version = None


LifecycleState = Absent | Unproven | Live | Unloaded | Down


def stage(version: ModelVersion) -> Unproven:
    """Keep a version that was loaded at startup, before anything may predict."""
    return Unproven(version)


def go_live(version: ModelVersion, file: File | None) -> Live:
    """Serve a version that has passed its checks.

    :param version: the version
    :param file: the file that it was loaded from, None if the file has been replaced
    """
    return Live(version, file)


def unload(state: LifecycleState) -> LifecycleState:
    """Drop the loaded version; if it has served, remember its fields and methods."""
    if isinstance(state, Live):
        return Unloaded(state.label, state.file, state.compatibility)
    return Absent() if isinstance(state, Unproven) else state


def fail(state: LifecycleState) -> Down:
    """Record that no version could be loaded for a request."""
    last = last_served(state)
    return Down(last if isinstance(last, Unloaded) else None)


def last_served(state: LifecycleState) -> Live | Unloaded | None:
    """Return the live version or the version that served last, None if none has served yet."""
    if isinstance(state, Live | Unloaded):
        return state
    return state.last if isinstance(state, Down) else None
