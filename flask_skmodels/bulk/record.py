"""The record of the prediction of a chunk that a worker has made.

The worker does not send X. If a receiver of a signal reads X, it is built again; only the rows of
the sample are sent.
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
    :param build_sample: returns the sample of X, None if it has to be taken from X
    """

    __slots__ = ("_X", "_build", "_build_sample")

    def __init__(
        self,
        prediction: Prediction,
        build: Callable[[], ModelInput],
        build_sample: Callable[[], ModelInput] | None = None,
    ) -> None:
        self._X: ModelInput | None = None
        self._build = build
        self._build_sample = build_sample
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

    def sampled(self) -> tuple[ModelInput, int]:
        if self._build_sample is None:
            return self.X, self.sample_step
        return self._build_sample(), 1
