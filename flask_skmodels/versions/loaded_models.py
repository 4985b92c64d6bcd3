"""The limit on the models of an application that are loaded at the same time."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from flask_skmodels.versions.version import Versions


class LoadedModels:
    """The most recently used models; if too many are loaded, the least recently used is unloaded.

    Models whose estimator is in memory do not count, because they cannot be loaded again.

    :param most: the maximum number of loaded models
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: OrderedDict[str, Versions] = OrderedDict()
        self._lock = Lock()

    def touch(self, versions: Versions) -> None:
        """Record the use of a model; if too many are loaded, unload the least recently used."""
        with self._lock:
            self._used[versions.name] = versions
            self._used.move_to_end(versions.name)
            one_more = len(self._used) > self._most
            oldest = self._used.popitem(last=False)[1] if one_more else None
        if oldest is not None:
            oldest.unload()
