"""The exceptions of the library. They know nothing of HTTP.

``web.http_errors`` has the status and the text of the response for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

REPORTED_ERRORS = 100  # the check of a request stops after this number of errors
_MODEL = re.compile(r"model '[^']+': ")


class SKModelsError(Exception):
    """Base class of the exceptions that this library raises."""


class ModelError(SKModelsError):
    """A model cannot be served as it was declared. The message names the model and the remedy."""


class ConfigurationError(SKModelsError):
    """The value of a ``SKMODELS_*`` configuration key is not valid."""


class ArtifactError(SKModelsError):
    """An estimator cannot be loaded from a file. The message is one line, for operators.

    :param path: the file
    :param reason: the reason, and the remedy if it is known
    :param model: the name of the model that the file belongs to, if it is known
    """

    def __init__(self, path: Path, reason: str, model: str | None = None) -> None:
        super().__init__(path, reason, model)
        self.path = path
        self.reason = reason
        self.model = model

    @classmethod
    def of(cls, path: Path, error: Exception) -> ArtifactError:
        """Return the exception for a file whose estimator has caused an error."""
        return cls(path, _MODEL.sub("", str(error)))

    def __str__(self) -> str:
        model = "" if self.model is None else f"model {self.model!r}: "
        return f"{model}{self.path}: {self.reason}"


class Overloaded(SKModelsError):
    """Too much work is in progress already, so further work is refused. No work was done.

    :param message: a message for the client, with the remedy
    :param retry_after: the seconds after which the client may try again, at least 1
    """

    def __init__(self, message: str, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyLoads(Overloaded):
    """Clients name more versions that are not loaded than ``SKMODELS_LOADS_PER_MINUTE`` allows.

    :param model: the name of the model
    :param retry_after: seconds after which the next load is allowed
    """

    def __init__(self, model: str, retry_after: int) -> None:
        super().__init__(model, retry_after)
        self.model = model

    def __str__(self) -> str:
        return (
            f"model {self.model!r}: clients have named too many versions that were not loaded. "
            f"The next one is loaded in {self.retry_after} seconds; to allow more, raise "
            "SKMODELS_LOADS_PER_MINUTE"
        )


class UnknownModel(SKModelsError, KeyError):
    """There is no model, or no method of a model, with the requested name."""

    @classmethod
    def named(cls, name: str, registered: Iterable[str]) -> UnknownModel:
        """Return the exception for a name that no registered model has."""
        known = ", ".join(registered) or "none"
        return cls(f"there is no model named {name!r}. Registered models: {known}")

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class TimedOut(SKModelsError):
    """A call has waited or taken longer than the ``timeout`` of its model.

    Either the estimator was not called for these rows, or only together with other rows, or its
    call is still in progress in another thread.
    """


_ALWAYS = ("row", "field", "rule", "message")  # the keys of each error


@dataclass(frozen=True, slots=True)
class InputError:
    """One error in the input.

    :param row: index of the row, from 0; None if the error does not concern a single row
    :param field: name of the field; None if the error does not concern a single field
    :param rule: the rule that was broken, for example ``"required"`` or ``"min"``
    :param message: a message for the client, which does not contain the value that was sent
    :param hint: the message in words for people, such as "choose one of a, b"; None if the message
        itself is good
    """

    row: int | None
    field: str | None
    rule: str
    message: str
    hint: str | None = None

    @property
    def text(self) -> str:
        """The hint if there is one, else the message."""
        return self.hint or self.message

    def __str__(self) -> str:
        row = () if self.row is None else (f"row {self.row}",)
        field = () if self.field is None else (f"field {self.field}",)
        return f"{', '.join((*row, *field, f'rule {self.rule}'))}: {self.text}"

    def as_dict(self) -> dict[str, object]:
        """Return a dictionary with the keys row, field, rule, message and, if not None, hint."""
        # ``dataclasses.asdict`` copies each value, which takes over ten times as long.
        names = ("row", "field", "rule", "message", "hint") if self.hint else _ALWAYS
        return {name: getattr(self, name) for name in names}


class InvalidInput(SKModelsError, ValueError):
    """The input is not valid.

    :param errors: the errors; the first 100 are kept
    :param is_complete: False if there may be further errors, which were not counted
    :ivar error_count: the number of errors that were given, including those that are not kept
    """

    def __init__(self, errors: Iterable[InputError], *, is_complete: bool = True) -> None:
        every = tuple(errors)
        self.errors = every[:REPORTED_ERRORS]
        self.error_count = len(every)
        self.is_complete = is_complete
        super().__init__("; ".join(map(str, self.errors)))

    @classmethod
    def of_request(cls, rule: str, message: str) -> Self:
        """Return the exception for one error that concerns the request as a whole."""
        return cls([InputError(None, None, rule, message)])

    @property
    def summary(self) -> str:
        """The number of errors, as a sentence for the client."""
        count, least = self.error_count, "" if self.is_complete else "at least "
        return f"the input has {least}{count} error{'' if count == 1 else 's'}"


class OverBudget(InvalidInput):
    """A request asks for more work than its model allows. Its status is 413."""


class TooLarge(OverBudget):
    """The body of a request unpacks to more bytes than allowed."""

    def __init__(self) -> None:
        message = "the body unpacks to more bytes than are allowed"
        super().__init__([InputError(None, None, "max_content_length", message)])


class TooManyCells(OverBudget):
    """A request has more rows than ``SKMODELS_MAX_CELLS`` allows for their number of columns.

    :param rows: the number of rows
    :param columns: the number of cells that each row counts as
    :param most: the maximum number of cells
    :param subject: what has the rows, for the message: ``"request"`` or ``"response"``
    """

    def __init__(self, rows: int, columns: int, most: int, subject: str = "request") -> None:
        message = f"at most {most // columns} rows are allowed in this {subject}, not {rows}"
        super().__init__([InputError(None, None, "max_cells", message)])


class TooManyRows(OverBudget):
    """A request has more rows than ``SKMODELS_MAX_ROWS`` allows."""

    def __init__(self, rows: int, most: int) -> None:
        message = f"at most {most} rows are allowed, {rows} were sent"
        super().__init__([InputError(None, None, "max_rows", message)])


class RejectedRows(InvalidInput):
    """The schema accepts the rows, but the estimator rejects some of them.

    The estimator has raised ``ValueError`` or ``TypeError``, which is the ``__cause__``. A method
    of a model may raise this exception itself.

    :param errors: an error for each rejected row; the first 100 are kept. If the estimator rejects
        the rows only together, there is one error whose row is None.
    :param is_complete: False if the estimator may reject further rows, which were not tried
    """

    def __init__(self, errors: Iterable[InputError], *, is_complete: bool = True) -> None:
        super().__init__(errors, is_complete=is_complete)

    @classmethod
    def of_rows(cls, rows: Iterable[int], *, is_complete: bool = True) -> Self:
        """Return the exception for rows for which the estimator has raised.

        :param rows: the indices of the rows, from 0
        :param is_complete: as for the class
        """
        message = "the estimator rejects this row"
        errors = [InputError(row, None, "estimator", message) for row in rows]
        return cls(errors, is_complete=is_complete)

    @property
    def summary(self) -> str:
        """The number of rejected rows, as a sentence for the client."""
        count = len({error.row for error in self.errors} - {None})
        if not count:
            return "the estimator rejects the rows"
        is_complete = self.is_complete and self.error_count == len(self.errors)
        rows = "1 row" if count == 1 else f"{count} rows"
        return f"the estimator rejects {'' if is_complete else 'at least '}{rows}"


class ScoringError(SKModelsError):
    """A run of bulk scoring cannot begin or has failed. The message is one line with the remedy."""


class TooManyRejects(ScoringError):
    """A run of bulk scoring has rejected more rows than ``max_rejects`` allows.

    What was scored is kept: the run can be resumed with a higher limit.
    """


def in_one_line(error: BaseException) -> str:
    """Return the class and message of an exception in one line of at most about 300 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".removesuffix(": ")


class Report:
    """The errors of one request. The 100th error raises all of them at once.

    So little work is done for a request that is wrong everywhere.
    """

    def __init__(self) -> None:
        self.errors: list[InputError] = []

    @property
    def count(self) -> int:
        """The number of errors."""
        return len(self.errors)

    def add(self, row: int | None, field: str | None, rule: str, message: str) -> None:
        """Add an error; see :meth:`add_error`."""
        self.add_error(InputError(row, field, rule, message))

    def add_error(self, error: InputError) -> None:
        """Add an error.

        :raises InvalidInput: this is the 100th error
        """
        self.errors.append(error)
        if len(self.errors) == REPORTED_ERRORS:
            raise InvalidInput(self.errors, is_complete=False)

    def raise_if_any(self) -> None:
        """Raise :class:`~flask_skmodels.InvalidInput` if there are errors."""
        if self.errors:
            raise InvalidInput(self.errors)
