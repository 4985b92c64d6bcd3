"""The exceptions of the library. None of them knows HTTP: the views map them to answers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

REPORTED_ERRORS = 100
_MODEL = re.compile(r"model '[^']+': ")


class SKModelsError(Exception):
    """Base of every exception that this library raises on purpose."""


class ModelError(SKModelsError):
    """A model cannot be served as it was declared; the message names it and says what to do."""


class ConfigurationError(SKModelsError):
    """A ``SKMODELS_*`` key holds a value that it cannot hold."""


class ArtifactError(SKModelsError):
    """A file cannot become an estimator; the message is one line, for the one who runs the server.

    :param path: the file
    :param reason: why it is refused, and what to do where that is known
    :param model: name of the model that it is the file of, where that is known
    """

    def __init__(self, path: Path, reason: str, model: str | None = None) -> None:
        super().__init__(path, reason, model)
        self.path = path
        self.reason = reason
        self.model = model

    @classmethod
    def of(cls, path: Path, error: Exception) -> ArtifactError:
        """Return the exception for a file whose estimator cannot be served."""
        return cls(path, _MODEL.sub("", str(error)))

    def __str__(self) -> str:
        model = "" if self.model is None else f"model {self.model!r}: "
        return f"{model}{self.path}: {self.reason}"


class UnknownModel(SKModelsError, KeyError):
    """No model, or no method of a model, has the name that was asked for."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


@dataclass(frozen=True, slots=True)
class InputError:
    """One thing that is wrong with the input.

    :param row: index of the row, from 0; None where the error is not of one row
    :param field: name of the field; None where the error is not of one field
    :param rule: the rule that was broken, ``"required"``, ``"min"`` and so on
    :param message: a sentence for the client, without the client's own value
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
    """What was sent cannot be turned into the estimator's input.

    :param errors: what is wrong; the first 100 are kept
    :param error_count: how many errors there are in all, the length of ``errors`` by default
    """

    def __init__(self, errors: Iterable[InputError], error_count: int | None = None) -> None:
        every = tuple(errors)
        self.errors = every[:REPORTED_ERRORS]
        self.error_count = len(every) if error_count is None else error_count
        super().__init__("; ".join(map(str, self.errors)))

    @classmethod
    def of_request(cls, rule: str, message: str) -> InvalidInput:
        """Return the exception for one error that is of no row and no field."""
        return cls([InputError(None, None, rule, message)])


class TooManyRows(InvalidInput):
    """More rows were sent than ``SKMODELS_MAX_ROWS`` allows."""

    def __init__(self, rows: int, most: int) -> None:
        message = f"at most {most} rows are allowed, {rows} were sent"
        super().__init__([InputError(None, None, "max_rows", message)])


def in_one_line(error: BaseException) -> str:
    """Return the class and the message of an exception in one line of at most some 300 letters."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".removesuffix(": ")


class Report:
    """The errors of one request: the first 100, and how many there are in all."""

    def __init__(self) -> None:
        self.errors: list[InputError] = []
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether further errors are only counted."""
        return self.count >= REPORTED_ERRORS

    def add(self, row: int | None, field: str | None, rule: str, message: str) -> None:
        """Count one error and keep it among the first."""
        self.add_error(InputError(row, field, rule, message))

    def add_error(self, error: InputError) -> None:
        """Count an error and keep it among the first."""
        self.count += 1
        if self.count <= REPORTED_ERRORS:
            self.errors.append(error)

    def raise_if_any(self) -> None:
        """Raise what was reported as :class:`~flask_skmodels.InvalidInput`."""
        if self.count:
            raise InvalidInput(self.errors, self.count)
