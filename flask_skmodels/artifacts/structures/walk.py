"""The walk through a loaded object, which checks each part that native code trusts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MethodType

import numpy as np

from flask_skmodels.artifacts.structures import (  # noqa: F401 - each registers its checks
    clusters,
    histogram_boosting,
    neighbors,
    random_numbers,
    sparse_columns,
    sparse_matrices,
    splines,
    support_vectors,
    thread_counts,
    trees,
)
from flask_skmodels.artifacts.structures.checks import Part, Unsound, checks_of
from flask_skmodels.exceptions import ArtifactError, in_one_line

_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, bytearray, type})


def check_structures(path: Path, root: Part) -> None:
    """Check all parts of an object whose arrays native code uses without a check of its own.

    Each object is visited once, however often it occurs. Nothing in it is called.

    :param path: the file that it was loaded from
    :param root: the object
    :raises ArtifactError: a part is damaged
    """
    for item in _objects(root):
        for check in checks_of(type(item)):
            try:
                check(item)
            except Unsound as error:
                raise ArtifactError(path, damaged(type(item).__name__, str(error))) from error
            except Exception as error:  # an attribute does not have the usual type
                reason = in_one_line(error)
                raise ArtifactError(path, damaged(type(item).__name__, reason)) from error


def damaged(name: str, reason: str) -> str:
    """Return the message for a damaged part of a file.

    :param name: the class of the part
    :param reason: its fault
    """
    return f"its {name} is damaged ({reason}): write the file again from the fitted estimator"


def _objects(root: Part) -> Iterator[Part]:
    """Yield each object that may have a check, the outer ones before those in them."""
    stack, seen = [root], set[int]()
    kept: list[Part] = []  # so that no id is used twice
    while stack:
        item = stack.pop()
        if type(item) in _PLAIN or id(item) in seen:
            continue
        seen.add(id(item))
        kept.append(item)
        if checks_of(type(item)):
            yield item
        stack += _parts(item)


def _parts(item: Part) -> Iterator[Part]:
    if isinstance(item, np.ndarray):
        if item.dtype == object:
            yield from item.flat
    elif isinstance(item, Mapping):
        yield from item.keys()
        yield from item.values()
    elif isinstance(item, list | tuple | set | frozenset):
        yield from item
    elif isinstance(item, partial):
        yield from (item.func, item.args, item.keywords)
    elif isinstance(item, MethodType):
        yield item.__self__
    yield from _attributes(item)


def _attributes(item: Part) -> Iterator[Part]:
    if isinstance(item, type) or type(item).__module__ == "builtins":
        return
    state = getattr(item, "__dict__", None)
    if isinstance(state, dict):
        yield from state.values()
    for cls in type(item).__mro__:
        slots = cls.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            try:
                yield object.__getattribute__(item, name)
            except AttributeError:
                continue
