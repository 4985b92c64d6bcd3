"""The limits on the rows of a request to a model.

``Limits.of`` sets them. Codecs check the size of a body before they parse it (``codecs.columns``),
and ``prediction.prepare`` checks the number of rows that were read.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from flask_skmodels.config import Settings
from flask_skmodels.exceptions import InvalidInput, TooManyRows
from flask_skmodels.models import Model


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits on one request.

    :ivar max_rows: the maximum number of rows
    """

    max_rows: int

    @classmethod
    def of(cls, model: Model, settings: Settings) -> Limits:
        """Return the limits on the requests to a model.

        :param model: the model; at present, all models of an application have the same limits
        :param settings: the extension's configuration on the application
        """
        return cls(settings.max_rows)

    def row_count_error(self, count: int) -> InvalidInput:
        """Return the error for a number of rows that is not allowed."""
        if count > self.max_rows:
            return TooManyRows(count, self.max_rows)
        return InvalidInput.of_request("empty", "there must be at least one row")


NO_LIMITS = Limits(sys.maxsize)
"""The limits on calls in process and on the command line."""
