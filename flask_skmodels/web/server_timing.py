"""The ``Server-Timing`` header: the time of each step of a prediction.

See https://www.w3.org/TR/server-timing/. Browsers show it with the request.
"""

from __future__ import annotations

from collections.abc import Sequence

from flask_skmodels.inference.prediction import Prediction


def server_timing(predictions: Sequence[Prediction], encode: float) -> str:
    """Return the value of the header.

    :param predictions: the predictions of one response, whose times are summed
    :param encode: seconds that it took to write the response
    :returns: the steps with their durations in milliseconds
    """
    steps = {
        "decode": sum(each.decode for each in predictions),
        "validate": sum(each.validate for each in predictions),
        "queue": sum(each.queue for each in predictions),
        "predict": sum(each.seconds for each in predictions),
        "encode": encode,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in steps.items())
