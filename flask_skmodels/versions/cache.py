"""The loaded versions of one model."""

from __future__ import annotations

from collections.abc import Container, Set
from time import monotonic

from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.version import ModelVersion

MAX_REQUESTED = 3  # versions that stay loaded only because a request named them


class VersionCache:
    """The loaded versions of one model, each with the file that it was loaded from.

    Threads may use it at the same time: each change is one change of a dictionary.
    """

    def __init__(self) -> None:
        self._loaded: dict[str | None, tuple[File, ModelVersion]] = {}
        self._requested_at: dict[str | None, float] = {}

    def __bool__(self) -> bool:
        """Return True if a version is loaded."""
        return bool(self._loaded)

    def get(self, label: str | None, file: File | None) -> ModelVersion | None:
        """Return the version that was loaded from a file, None if there is none."""
        entry = self._loaded.get(label)
        return entry[1] if entry is not None and entry[0] == file else None

    def file_of(self, version: ModelVersion) -> File | None:
        """Return the file that a version was loaded from, None if it is not in the cache."""
        entry = self._loaded.get(version.label)
        return entry[0] if entry is not None and entry[1] is version else None

    def put(self, label: str | None, file: File, version: ModelVersion) -> None:
        """Keep a version, in place of a version with the same label."""
        self._loaded[label] = (file, version)

    def touch(self, label: str | None) -> None:
        """Note that a request has named a version."""
        self._requested_at[label] = monotonic()

    def evict(self, needed: Set[str | None], files: Container[str | None]) -> None:
        """Drop versions whose file is gone, and versions neither needed nor used recently.

        :param needed: labels of the live version, the canaries and the shadow
        :param files: labels of the files that exist
        """
        requested_at, loaded = dict(self._requested_at), list(self._loaded)
        others = requested_at.keys() - needed
        latest = sorted(others, key=requested_at.__getitem__, reverse=True)[:MAX_REQUESTED]
        kept = {label for label in {*needed, *latest} if label in files}
        for label in {*loaded, *requested_at} - kept:
            self._loaded.pop(label, None)
            self._requested_at.pop(label, None)

    def clear(self) -> None:
        """Drop all versions."""
        self._loaded.clear()
