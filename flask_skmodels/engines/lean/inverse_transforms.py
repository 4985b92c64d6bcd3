"""From the columns that a transformer makes back to those that it makes them of."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

Landmarks = list[list[Any]]


def taken_back(step: Any, found: Landmarks, width: int) -> Landmarks:
    """Return values of the columns that a transformer has made as those that it makes them of.

    :param step: fitted; what cannot be taken back through it is lost
    :param found: for each column that it makes some values
    :param width: how many columns it takes
    """
    if step in (None, "passthrough") or hasattr(step, "statistics_"):
        return (found + [[] for _ in range(width)])[:width]
    if hasattr(step, "steps"):
        return _through_steps([each for _, each in step.steps], found, width)
    if hasattr(step, "transformers_"):
        return _through_columns(step, found, width)
    if hasattr(step, "get_support"):
        return _through_selection(step, found, width)
    return _inverted(step, found, width)


def _through_steps(steps: Sequence[Any], found: Landmarks, width: int) -> Landmarks:
    for place in reversed(range(len(steps))):
        own = getattr(steps[place], "n_features_in_", width) if place else width
        found = taken_back(steps[place], found, own)
    return found


def _through_columns(step: Any, found: Landmarks, width: int) -> Landmarks:
    back: Landmarks = [[] for _ in range(width)]
    for name, part, _ in step.transformers_:
        places = list(step._transformer_to_input_indices.get(name, ()))
        if part == "drop" or not places:
            continue
        with suppress(Exception):  # the part cannot be taken back, another one can
            values = taken_back(part, found[step.output_indices_[name]], len(places))
            for place, own in zip(places, values, strict=True):
                back[place] += own
    return back


def _through_selection(step: Any, found: Landmarks, width: int) -> Landmarks:
    back: Landmarks = [[] for _ in range(width)]
    for place, values in zip(step.get_support(indices=True), found, strict=True):
        back[place] = values
    return back


def _inverted(step: Any, found: Landmarks, width: int) -> Landmarks:
    most = max(map(len, found), default=0)
    if not most:
        return [[] for _ in range(width)]
    table = np.zeros((most, len(found)))
    for place, values in enumerate(found):
        if values:
            table[:, place] = np.resize(np.array(values, dtype=np.float64), most)
    inverted: NDArray[np.float64] = step.inverse_transform(table)
    return [column.tolist() for column in inverted.T]
