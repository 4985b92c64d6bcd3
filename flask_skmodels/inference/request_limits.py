"""The budget of a request to a model: the most work that its body may ask for.

``Budget.of`` sets it. Codecs and dialects check the number of rows and columns before they make
them, the schema checks the rows and columns of X, ``prediction.prepare`` checks the rows that were
read, and ``web`` checks the cells of the response.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from flask_skmodels.config import Settings
from flask_skmodels.estimators.outputs import bytes_of_texts, output_width
from flask_skmodels.exceptions import InvalidInput, TooManyCells, TooManyRows
from flask_skmodels.models import Model
from flask_skmodels.schema.types import ModelOutput

FREE_BYTES = 2**20  # a body of any length may unpack to this many bytes
BYTES_OF_A_CELL = 8
RESPONSE = "response"


@dataclass(frozen=True, slots=True)
class Budget:
    """The limits on one request.

    :ivar max_rows: the maximum number of rows
    :ivar max_cells: the maximum number of cells (cells of a row times rows) of X and of the
        response
    :ivar max_explained_rows: the maximum number of rows that trees explain
    :ivar max_inflation: how many times larger than the sent bytes a body may become when it is
        unpacked
    """

    max_rows: int
    max_cells: int
    max_inflation: int
    max_explained_rows: int = sys.maxsize

    @classmethod
    def of(cls, model: Model, settings: Settings) -> Budget:
        """Return the budget of the requests to a model.

        :param model: the model, whose own limits take precedence
        :param settings: the extension's configuration on the application
        """
        return cls(
            settings.max_rows if model.max_rows is None else model.max_rows,
            settings.max_cells if model.max_cells is None else model.max_cells,
            settings.max_inflation,
            settings.max_explained_rows
            if model.max_explained_rows is None
            else model.max_explained_rows,
        )

    def for_explanations(self) -> Budget:
        """Return the budget of a request for explanations by trees, which take long."""
        return replace(self, max_rows=min(self.max_rows, self.max_explained_rows))

    def check_rows(self, rows: int, columns: int = 1) -> None:
        """Check the size of a table before it is made.

        :param rows: the number of rows
        :param columns: the number of columns that will be read
        :raises TooManyRows: there are too many rows
        :raises TooManyCells: there are too many rows for the number of columns
        """
        if rows > self.max_rows:
            raise TooManyRows(rows, self.max_rows)
        if rows * columns > self.max_cells:
            raise TooManyCells(rows, columns, self.max_cells)

    def row_count_error(self, count: int) -> InvalidInput:
        """Return the error for a number of rows that is not allowed."""
        if count > self.max_rows:
            return TooManyRows(count, self.max_rows)
        return InvalidInput.of_request("empty", "there must be at least one row")

    def check_response(self, rows: int, outputs: ModelOutput) -> None:
        """Check the size of a response before it is made.

        :param rows: the number of rows
        :param outputs: the outputs of the estimator for these rows
        :raises TooManyCells: the outputs have too many cells, or too many bytes of text
        """
        width = max(output_width(outputs), bytes_of_texts(outputs) // (BYTES_OF_A_CELL * rows))
        if rows * width > self.max_cells:
            raise TooManyCells(rows, width, self.max_cells, RESPONSE)

    def max_bytes(self, sent: int, most: int) -> int:
        """Return the maximum number of bytes that a body may unpack to.

        :param sent: the number of bytes of the body as it was sent
        :param most: the maximum number of bytes of any body
        """
        return min(most, max(FREE_BYTES, self.max_inflation * sent))


NO_BUDGET = Budget(sys.maxsize, sys.maxsize, sys.maxsize)
"""The budget of calls in process and on the command line: no limits."""
