"""The rows that the schema accepts but the estimator rejects.

An estimator raises ``ValueError`` or ``TypeError`` because of the client's rows, or because it is
broken. To tell the two apart, it is called with rows that it is known to accept: the model's
examples, a row that it has predicted before, the typical row of its profile, or a probe. If it
raises for these rows too, it is broken. Otherwise the rows are split in half again and again until
the rejected ones are found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter

from sklearn.exceptions import NotFittedError

from flask_skmodels.engines.lean.probes import Probes, row_slice
from flask_skmodels.exceptions import REPORTED_ERRORS, InvalidInput, RejectedRows
from flask_skmodels.schema.rows import Rows, from_python
from flask_skmodels.schema.tabular import copy_of
from flask_skmodels.schema.types import ModelInput
from flask_skmodels.versions.version import ModelVersion

SECONDS = 1.0  # time limit of a search, or twice the time of the failed call if that is longer
MAX_SECONDS = 10.0
SAMPLES = 8  # single rows that are tried before the search, and probes
_SPARE_CALLS = 16
_NOTE = (
    "Flask-SKModels knows no row that the estimator accepts, so it does not search for the rows "
    "that the estimator rejects. Give the model examples."
)


class _Stopped(Exception):
    """Raised if a limit of the search is reached."""


def remember_accepted_row(version: ModelVersion, method: str, rows: Rows) -> None:
    """Keep the first row of a call that succeeded, as a row that the estimator accepts.

    :param version: the version that was called
    :param method: the method that was called
    :param rows: the rows of the call
    """
    version.accepted_rows[method] = rows.part(0, 1)


def rejection_of(
    version: ModelVersion,
    method: str,
    rows: Rows,
    error: Exception,
    *,
    seconds: float,
    limit: float | None,
) -> RejectedRows | None:
    """Return the rows of a failed call that the estimator rejects, None if the estimator is broken.

    :param version: the version that was called
    :param method: the method that was called
    :param rows: the rows of the call
    :param error: the exception of the estimator
    :param seconds: the time that the failed call took
    :param limit: the seconds that each further call may take, as for a
        :class:`~flask_skmodels.engines.batching.Combiner`
    """
    if not isinstance(error, ValueError | TypeError) or isinstance(error, NotFittedError):
        return None
    longest = min(max(SECONDS, 2 * seconds), MAX_SECONDS)
    search = _Search(version, method, rows, longest, limit)
    try:
        rejection = search.run()
    except Exception:  # for other rows it raises a different exception
        return None
    if search.knows_no_row and _NOTE not in getattr(error, "__notes__", ()):
        error.add_note(_NOTE)
    return rejection


class _Search:
    """The search for the rows that an estimator rejects.

    :param version: the version that was called
    :param method: the method that was called
    :param rows: the rows of the failed call
    :param seconds: time limit; a call in progress is not interrupted
    :param limit: time limit of each call, None for none
    :ivar knows_no_row: True if the estimator has accepted neither a known row nor one of the rows
        of the call
    """

    def __init__(
        self,
        version: ModelVersion,
        method: str,
        rows: Rows,
        seconds: float,
        limit: float | None,
    ) -> None:
        self.knows_no_row = False
        self._version = version
        self._method = method
        self._combiner = version.combiner(method)
        self._limit = limit
        self._rows = rows
        self._deadline = perf_counter() + seconds
        self._calls = 0
        self._rejected: list[int] = []

    def run(self) -> RejectedRows | None:
        """Return the rejected rows, None if the estimator is broken.

        :raises Exception: an exception of the estimator other than ``ValueError`` or ``TypeError``
        """
        count, is_complete = len(self._rows), True
        try:
            if not self._works():
                return None
        except _Stopped:
            return None
        try:
            self._try(0, count, raises=True)
            if not self._rejected and (count == 1 or self._accepts_part(0, count)):
                return None  # the estimator has raised once, but does not raise again
        except _Stopped:
            is_complete = False
        if self._rejected:
            return RejectedRows.of_rows(self._rejected, is_complete=is_complete)
        return RejectedRows.of_request("estimator", "the estimator rejects these rows together")

    def _works(self) -> bool:
        """Return whether the estimator accepts a row that it is known to accept, or another row."""
        known = self._known_row()
        if known is not None:
            return self._accepts(copy_of(known))
        for X in self._candidates():
            if self._accepts(copy_of(X)):
                self._version.accepted_probes[self._method] = X
                return True
        self.knows_no_row = True
        return False

    def _known_row(self) -> ModelInput | None:
        """Return X for the examples of the model, or for a row that the method has predicted."""
        version, method = self._version, self._method
        X = _examples_of(version)
        if X is None and method in version.accepted_rows:
            with suppress(InvalidInput):  # a rule of the schema may change with time
                X = version.schema.clean(version.accepted_rows[method])
        return version.accepted_probes.get(method) if X is None else X

    def _candidates(self) -> Iterator[ModelInput]:
        """Yield rows that the estimator may accept: typical rows, probes, and rows of the call."""
        if self._method not in self._version.probed_methods:
            try:
                yield from _typical_row_of(self._version)
                yield from _probes_of(self._version)
            finally:
                self._version.probed_methods.add(self._method)
        count = len(self._rows)
        if count > 1:
            last = min(SAMPLES, count) - 1
            for index in sorted({step * (count - 1) // last for step in range(last + 1)}):
                yield self._version.schema.clean(self._rows.part(index, index + 1))

    def _try(self, start: int, stop: int, *, raises: bool = False) -> bool:
        """Find the rejected rows of a part.

        :param raises: whether the estimator is known to raise on the part
        :returns: whether the estimator accepts the part in one call
        :raises _Stopped: a limit is reached
        """
        is_row = stop - start == 1
        if (is_row or not raises) and self._accepts_part(start, stop):
            return True
        if is_row:
            self._rejected.append(start)
            if len(self._rejected) == REPORTED_ERRORS and stop < len(self._rows):
                raise _Stopped
            return False
        middle = (start + stop) // 2
        accepts_left = self._try(start, middle)
        self._try(middle, stop, raises=accepts_left)
        return False

    def _accepts_part(self, start: int, stop: int) -> bool:
        depth = len(self._rows).bit_length()
        if self._calls >= 2 * depth * (len(self._rejected) + 1) + _SPARE_CALLS:
            raise _Stopped
        self._calls += 1
        return self._accepts(self._version.schema.clean(self._rows.part(start, stop)))

    def _accepts(self, X: ModelInput) -> bool:
        if perf_counter() > self._deadline:
            raise _Stopped
        try:
            self._combiner.call(X, most_rows=0, limit=self._limit)
        except (ValueError, TypeError):
            return False
        return True


def _examples_of(version: ModelVersion) -> ModelInput | None:
    """Return X for the examples of a model, None if there are none or the schema rejects them."""
    with suppress(Exception):
        if version.model.examples:
            return version.schema.clean(from_python(version.model.examples))
    return None


def _typical_row_of(version: ModelVersion) -> Iterator[ModelInput]:
    """Yield X for the typical values of the training data, if a profile has such values."""
    values = [field.column.typical for field in version.schema.fields if not field.is_alias]
    with suppress(InvalidInput):
        if any(value is not None for value in values):
            yield version.schema.clean(Rows([values]))


def _probes_of(version: ModelVersion) -> Iterator[ModelInput]:
    """Yield X for single probes; none if no probes can be drawn."""
    with suppress(Exception):
        probes = Probes(version.schema, version.model.pipeline, ())
        rows = probes.rows(SAMPLES)
        for index in range(SAMPLES):
            yield probes.build(row_slice(rows, index, index + 1))
