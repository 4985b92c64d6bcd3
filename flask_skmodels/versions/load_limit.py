"""The limit on the loads that clients cause by naming versions."""

from __future__ import annotations

from collections import deque
from math import ceil
from threading import Lock
from time import monotonic

from flask_skmodels.exceptions import TooManyLoads

_MINUTE = 60.0


class LoadLimit:
    """Counts the loads that clients of one application cause in this process.

    :param per_minute: the maximum number of loads in any minute
    """

    def __init__(self, per_minute: int) -> None:
        self._loaded_at: deque[float] = deque(maxlen=per_minute)
        self._per_minute = per_minute
        self._lock = Lock()

    def take(self, model: str) -> None:
        """Count a load.

        :param model: the name of the model, for the message
        :raises TooManyLoads: as many loads as are allowed were caused in the last minute
        """
        with self._lock:
            now = monotonic()
            is_full = len(self._loaded_at) == self._per_minute
            if is_full and now - self._loaded_at[0] < _MINUTE:
                raise TooManyLoads(model, ceil(self._loaded_at[0] + _MINUTE - now))
            self._loaded_at.append(now)
