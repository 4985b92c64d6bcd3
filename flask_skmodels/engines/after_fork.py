"""Locks and queues in a forked child process, in which the threads of the parent do not exist."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Restartable(Protocol):
    """An object with locks: one that is held during a fork would never be released in the child."""

    def restart(self) -> None:
        """Forget all threads that use the object."""


_restartable: WeakSet[Restartable] = WeakSet()


def restart_after_fork(each: Restartable) -> None:
    """Call ``restart`` of an object in each child process that is forked from now on."""
    _restartable.add(each)


def _restart_all() -> None:
    for each in list(_restartable):
        each.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all)
