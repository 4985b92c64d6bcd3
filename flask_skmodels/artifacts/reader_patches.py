"""Functions of joblib and skops that are replaced while a file is read, so that they refuse more.

Everything else is checked after the whole file was read. Native objects read their arguments when
they are created, and joblib opens other files while it reads, so a check of the finished object
comes too late. In a process, one file is loaded at a time.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, wraps
from importlib import import_module
from typing import Any

from joblib import numpy_pickle_compat
from threadpoolctl import threadpool_limits

from flask_skmodels.artifacts.structures.booster_buffers import BOOSTERS, check_booster
from flask_skmodels.artifacts.structures.trees import check_tree_arguments

_Function = Callable[..., Any]
_STARTS_THREADS = "lightgbm"  # when it reads a model


@contextmanager
def checked_construction() -> Iterator[None]:
    """Return a context in which native objects are created only from sound arguments.

    In this context, LightGBM reads its models on one thread: its other threads would not exist in a
    worker that is forked later, and a call that waits for them never ends.

    :raises Unsound: the arguments of a native object are not sound
    """
    replaced: list[tuple[Any, str, _Function]] = []
    with ExitStack() as stack:
        limit = cache(lambda: stack.enter_context(threadpool_limits(1)))
        try:
            for module, owner, name, with_check in _GUARDED:
                cls = getattr(sys.modules.get(module), owner, None)
                if cls is not None:
                    original = getattr(cls, name)
                    replaced.append((cls, name, original))
                    setattr(cls, name, with_check(original, limit))
            yield
        finally:
            for cls, name, original in replaced:
                setattr(cls, name, original)


@contextmanager
def one_file_only() -> Iterator[None]:
    """Refuse a file that refers to other files, as joblib wrote before 0.10: they are not hashed.

    Only one thread at a time may be in this context.
    """

    def refuse(self: Any, unpickler: Any) -> Any:
        raise ValueError(
            "it refers to other files, as files of joblib before 0.10 do: save the model again"
        )

    wrappers = (numpy_pickle_compat.NDArrayWrapper, numpy_pickle_compat.ZNDArrayWrapper)
    originals = [wrapper.read for wrapper in wrappers]
    try:
        for wrapper in wrappers:
            wrapper.read = refuse
        yield
    finally:
        for wrapper, read in zip(wrappers, originals, strict=True):
            wrapper.read = read


def _with_limited_threads(find_class: _Function, limit: Callable[[], Any]) -> _Function:
    """Return joblib's function for a class, which limits the threads before LightGBM's are used."""

    @wraps(find_class)
    def limited(unpickler: Any, module: str, name: str) -> Any:
        cls = find_class(unpickler, module, name)
        if module.partition(".")[0] == _STARTS_THREADS:
            limit()  # not before the import, which loads OpenMP
        return cls

    return limited


def _with_checked_arguments(construct: _Function, limit: Callable[[], Any]) -> _Function:
    """Return skops's function for an object with a constructor, with a check for trees."""

    @wraps(construct)
    def checked(node: Any) -> Any:
        if node.constructor.class_name == "Tree":
            check_tree_arguments(node.args.construct())
        return construct(node)

    return checked


def _with_checked_state(construct: _Function, limit: Callable[[], Any]) -> _Function:
    """Return skops's function for other objects, with a check for boosters."""

    @wraps(construct)
    def checked(node: Any) -> Any:
        if node.attrs is not None and node.module_name.partition(".")[0] in BOOSTERS:
            cls = getattr(import_module(node.module_name), node.class_name)
            check_booster(cls, node.attrs.construct())
            if node.module_name.partition(".")[0] == _STARTS_THREADS:
                limit()
        return construct(node)

    return checked


_Guard = Callable[[_Function, Callable[[], Any]], _Function]
_GUARDED: list[tuple[str, str, str, _Guard]] = [
    ("joblib.numpy_pickle", "NumpyUnpickler", "find_class", _with_limited_threads),
    ("skops.io._sklearn", "ReduceNode", "_construct", _with_checked_arguments),
    ("skops.io._general", "ObjectNode", "_construct", _with_checked_state),
]
