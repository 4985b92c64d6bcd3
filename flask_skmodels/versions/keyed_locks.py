"""Locks by key: threads wait for each other only if they need the same thing."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary


class KeyedLocks:
    """One lock for each key, kept while a thread holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._lock = Lock()

    @contextmanager
    def holding(self, key: Hashable) -> Iterator[None]:
        """Hold the lock of a key in a ``with`` block."""
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            yield
