"""The record of the prediction of a chunk that a worker has made.

X stays with the worker. If a receiver of a signal reads it, it is built again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.types import ModelInput


class DeferredPrediction(Prediction):
    """A record whose X is built when it is first read.

    :param prediction: the record, without X
    :param build: returns X
    """

    __slots__ = ("_X", "_build")

    def __init__(self, prediction: Prediction, build: Callable[[], ModelInput]) -> None:
        self._X: ModelInput | None = None
        self._build = build
        values = {each.name: getattr(prediction, each.name) for each in fields(Prediction)}
        super().__init__(**values)

    @property
    def X(self) -> ModelInput:  # noqa: N802 - the name in Prediction
        """The validated rows."""
        if self._X is None:
            self._X = self._build()
        return self._X

    @X.setter
    def X(self, value: ModelInput) -> None:  # noqa: N802
        self._X = value
