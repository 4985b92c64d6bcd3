"""The limit on the rows of a prediction.

Its value is ``SKMODELS_MAX_ROWS``, which ``web.predict`` passes to ``prediction.prepare``. Codecs
check the sizes of a body before they parse it: see ``codecs.columns``.
"""

from __future__ import annotations

from flask_skmodels.errors import InvalidInput, TooManyRows


def row_count_error(count: int, max_rows: int | None) -> InvalidInput:
    """Return the error for a number of rows that is not allowed.

    :param count: the number of rows
    :param max_rows: the most rows that are allowed, None for any number
    """
    if max_rows is not None and count > max_rows:
        return TooManyRows(count, max_rows)
    return InvalidInput.of_request("empty", "there must be at least one row")
