"""The exceptions of the library. They do not know HTTP.

``web.http_errors`` has the status and the text of the response to each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

REPORTED_ERRORS = 100  # further errors of a request are only counted
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
        """Return the exception for a file from the error that its estimator caused."""
        return cls(path, _MODEL.sub("", str(error)))

    def __str__(self) -> str:
        model = "" if self.model is None else f"model {self.model!r}: "
        return f"{model}{self.path}: {self.reason}"


class UnknownModel(SKModelsError, KeyError):
    """There is no model, or no method of a model, with the requested name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


@dataclass(frozen=True, slots=True)
class InputError:
    """One error in the input.

    :param row: index of the row, from 0; None if the error does not concern a single row
    :param field: name of the field; None if the error does not concern a single field
    :param rule: the rule that was broken, for example ``"required"`` or ``"min"``
    :param message: a message for the client, which does not contain the value that was sent
    """

    row: int | None
    field: str | None
    rule: str
    message: str

    def __str__(self) -> str:
        row = () if self.row is None else (f"row {self.row}",)
        field = () if self.field is None else (f"field {self.field}",)
        return f"{', '.join((*row, *field, f'rule {self.rule}'))}: {self.message}"

    def as_dict(self) -> dict[str, object]:
        """Return the error as a dictionary with the keys row, field, rule and message."""
        return asdict(self)


class InvalidInput(SKModelsError, ValueError):
    """The input is not valid.

    :param errors: the errors; the first 100 are kept
    :param error_count: the number of all errors; by default the length of ``errors``
    """

    def __init__(self, errors: Iterable[InputError], error_count: int | None = None) -> None:
        every = tuple(errors)
        self.errors = every[:REPORTED_ERRORS]
        self.error_count = len(every) if error_count is None else error_count
        super().__init__("; ".join(map(str, self.errors)))

    @classmethod
    def of_request(cls, rule: str, message: str) -> InvalidInput:
        """Return the exception for one error that concerns the request as a whole."""
        return cls([InputError(None, None, rule, message)])


class TooManyRows(InvalidInput):
    """A request has more rows than ``SKMODELS_MAX_ROWS`` allows."""

    def __init__(self, rows: int, most: int) -> None:
        message = f"at most {most} rows are allowed, {rows} were sent"
        super().__init__([InputError(None, None, "max_rows", message)])


def in_one_line(error: BaseException) -> str:
    """Return the class and message of an exception in one line of at most about 300 characters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".removesuffix(": ")


class Report:
    """The errors of one request: the first 100, and the number of all."""

    def __init__(self) -> None:
        self.errors: list[InputError] = []
        self.count = 0

    @property
    def is_full(self) -> bool:
        """True if further errors are only counted."""
        return self.count >= REPORTED_ERRORS

    def add(self, row: int | None, field: str | None, rule: str, message: str) -> None:
        """Count an error, and keep it if it is among the first 100."""
        self.add_error(InputError(row, field, rule, message))

    def add_error(self, error: InputError) -> None:
        """Count an error, and keep it if it is among the first 100; see :meth:`add`."""
        self.count += 1
        if self.count <= REPORTED_ERRORS:
            self.errors.append(error)

    def raise_if_any(self) -> None:
        """Raise :class:`~flask_skmodels.InvalidInput` if there are errors."""
        if self.count:
            raise InvalidInput(self.errors, self.count)
