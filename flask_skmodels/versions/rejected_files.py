"""The files of one model that were rejected, and the reasons.

The text that a client gets is in ``web.http_errors``.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from copy import copy
from dataclasses import dataclass

from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.versions.discovery import File, Stamp


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A rejected file.

    :param file: the file, in the state in which it was rejected
    :param stamp: the stamp of its folder at that time
    :param error: the reason; without a traceback, which would keep the data of the file in memory
    :param loads: True if the file loads, but may not replace the live version
    """

    file: File
    stamp: Stamp
    error: SKModelsError
    loads: bool


class RejectedFiles:
    """The rejected files by the label of their version; each is tried and reported only once.

    Threads may use it at the same time: each change is one change of a dictionary.

    :ivar stamp: the stamp of the folder when its files were last listed
    """

    def __init__(self) -> None:
        self.stamp: Stamp = (0, 0, 0)
        self._by_label: dict[str | None, RejectedFile] = {}
        self._of_all: str | None = None

    def add(self, label: str | None, file: File, error: SKModelsError, *, loads: bool) -> bool:
        """Record why a file is rejected.

        :param loads: True if the file loads, but may not replace the live version
        :returns: True if this file was not rejected before
        """
        known = self._by_label.get(label)
        self._by_label[label] = RejectedFile(file, self.stamp, error, loads)
        return known is None or known.file != file

    def add_reason_of_all(self, error: SKModelsError) -> bool:
        """Record why no file can serve, for example because the folder is gone.

        :returns: True if the reason is new
        """
        is_new = self._of_all != str(error)
        self._of_all = str(error)
        return is_new

    def clear_reason_of_all(self) -> None:
        """Forget why no file could serve."""
        self._of_all = None

    def check(self, label: str | None, file: File, *, unless_it_loads: bool = False) -> None:
        """Raise the reason why a file was rejected, if nothing has changed in its folder since.

        :param unless_it_loads: True to let a file pass if it loads but may not serve
        :raises SKModelsError: the file was rejected
        """
        known = self._by_label.get(label)
        if known is None or (known.file, known.stamp) != (file, self.stamp):
            return
        if not (known.loads and unless_it_loads):
            raise copy(known.error)

    def accept(self, label: str | None) -> None:
        """Forget the failure of a version that has now passed its checks."""
        self._by_label.pop(label, None)

    def accept_load(self, label: str | None) -> None:
        """Forget that a version failed to load, but not that it may not serve."""
        known = self._by_label.get(label)
        if known is not None and not known.loads:
            self._by_label.pop(label, None)

    def keep(self, labels: Container[str | None]) -> None:
        """Forget the failures of all versions but these."""
        for label in [label for label in list(self._by_label) if label not in labels]:
            self._by_label.pop(label, None)

    def messages(self, files: Mapping[str | None, File]) -> dict[str | None, str]:
        """Return the reasons by the label of the version; the key None is for all versions.

        :param files: the files that exist; failures of earlier files are left out
        """
        of_all = {} if self._of_all is None else {None: self._of_all}
        failures = list(self._by_label.items())
        return of_all | {k: str(v.error) for k, v in failures if files.get(k) == v.file}
