"""Guards around the loading of a file. In a process, one file is loaded at a time."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from joblib import numpy_pickle_compat
from sklearn.exceptions import InconsistentVersionWarning

_LOADING = threading.RLock()


@contextmanager
def version_warnings() -> Iterator[list[InconsistentVersionWarning]]:
    """Collect this thread's warnings of another version of scikit-learn; show all others.

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


@contextmanager
def one_file_only() -> Iterator[None]:
    """Refuse a file that refers to others, as joblib wrote before 0.10: they were not hashed.

    It patches joblib, and is used within :func:`version_warnings`, one file at a time.
    """

    def refuse(self: Any, unpickler: Any) -> Any:
        raise ValueError("it refers to another file, as joblib wrote before 0.10: dump it again")

    wrappers = (numpy_pickle_compat.NDArrayWrapper, numpy_pickle_compat.ZNDArrayWrapper)
    originals = [wrapper.read for wrapper in wrappers]
    try:
        for wrapper in wrappers:
            wrapper.read = refuse
        yield
    finally:
        for wrapper, read in zip(wrappers, originals, strict=True):
            wrapper.read = read
