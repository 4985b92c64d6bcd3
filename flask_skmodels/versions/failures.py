"""The files of one model that are refused, and why."""

from __future__ import annotations

from collections.abc import Container, Mapping
from copy import copy
from dataclasses import dataclass

from flask_skmodels.errors import SKModelsError
from flask_skmodels.versions.discovery import File, Stamp


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a file is refused.

    :param stamp: of its folder at that time
    :param error: why; without a traceback, which would keep in memory what was read
    :param loads: whether it loads, and only may not take the place of the version that serves
    """

    file: File
    stamp: Stamp
    error: SKModelsError
    loads: bool


class Failures:
    """What was refused, by the label of the version, so that a file is tried and told once."""

    def __init__(self) -> None:
        self._known: dict[str | None, _Refusal] = {}

    def add(
        self, label: str | None, file: File, stamp: Stamp, error: SKModelsError, *, loads: bool
    ) -> bool:
        """Note why a file is refused, and return whether that is news of this file."""
        known = self._known.get(label)
        self._known[label] = _Refusal(file, stamp, error, loads)
        return known is None or known.file != file

    def check(
        self, label: str | None, file: File, stamp: Stamp, *, unless_it_loads: bool = False
    ) -> None:
        """Raise why a file was refused, unless something beside it may have changed that."""
        known = self._known.get(label)
        if known is None or (known.file, known.stamp) != (file, stamp):
            return
        if not (known.loads and unless_it_loads):
            raise copy(known.error)

    def accept(self, label: str | None) -> None:
        """Forget what was wrong with a version: it has passed its checks."""
        self._known.pop(label, None)

    def accept_load(self, label: str | None) -> None:
        """Forget that a version did not load: it does."""
        if label in self._known and not self._known[label].loads:
            del self._known[label]

    def keep(self, labels: Container[str | None]) -> None:
        """Forget all versions but these."""
        self._known = {k: v for k, v in self._known.items() if k in labels}

    def of(self, files: Mapping[str | None, File]) -> dict[str | None, str]:
        """Return what is wrong with these files, by their label."""
        known = list(self._known.items())
        return {k: str(v.error) for k, v in known if files.get(k) == v.file}
