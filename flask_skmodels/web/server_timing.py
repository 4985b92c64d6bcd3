"""The ``Server-Timing`` of an answer: how long each part of a prediction took.

The header is that of https://www.w3.org/TR/server-timing/; browsers show it with a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

from flask import Response, g

from flask_skmodels.inference.prediction import Prediction

HEADER = "Server-Timing"
_KEY = "_skmodels_predictions"


def note(prediction: Prediction) -> None:
    """Keep a prediction of the request at hand, which is encoded from now on."""
    predictions, _ = g.get(_KEY, ([], 0.0))
    setattr(g, _KEY, ([*predictions, prediction], perf_counter()))


def add_timing(response: Response) -> None:
    """Say in an answer how long its predictions took, if there are any."""
    predictions, predicted_at = g.pop(_KEY, ([], 0.0))
    if predictions:
        encode = perf_counter() - predicted_at
        response.headers.add(HEADER, server_timing(predictions, encode))


def server_timing(predictions: Sequence[Prediction], encode: float) -> str:
    """Return the value of the header.

    :param predictions: those of one answer, whose times are added up
    :param encode: seconds that it took to write the answer
    :returns: the parts with their durations in milliseconds
    """
    parts = {
        "decode": sum(each.decode for each in predictions),
        "validate": sum(each.validate for each in predictions),
        "queue": sum(each.queue for each in predictions),
        "predict": sum(each.seconds for each in predictions),
        "encode": encode,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in parts.items())
