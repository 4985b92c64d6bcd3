"""The warnings that a file has objects of another version of scikit-learn, collected at load.

In a process, one file is loaded at a time.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sklearn.exceptions import InconsistentVersionWarning

_LOADING = threading.RLock()


@contextmanager
def version_warnings() -> Iterator[list[InconsistentVersionWarning]]:
    """Collect this thread's warnings about another version of scikit-learn; show all others.

    ``warnings.showwarning`` belongs to the process: another thread may save our hook and restore it
    after the block, so the hook does nothing after the block.
    """
    collected: list[InconsistentVersionWarning] = []
    thread, is_active = threading.get_ident(), True

    def show(message: Any, *details: Any, **more: Any) -> None:
        is_ours = is_active and threading.get_ident() == thread
        if is_ours and isinstance(message, InconsistentVersionWarning):
            collected.append(message)
        else:
            previous(message, *details, **more)

    with _LOADING, warnings.catch_warnings():
        warnings.filterwarnings("always", category=InconsistentVersionWarning)
        previous, warnings.showwarning = warnings.showwarning, show
        try:
            yield collected
        finally:
            is_active, warnings.showwarning = False, previous
