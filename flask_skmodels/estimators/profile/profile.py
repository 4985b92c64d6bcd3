"""The profile of the training data of a model."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from flask_skmodels.estimators.profile.column_profile import ColumnProfile
from flask_skmodels.estimators.profile.measurement import measure
from flask_skmodels.estimators.profile.strict_reading import (
    FORMAT,
    MAX_BYTES,
    VERSION,
    MalformedProfile,
    parse,
    read_document,
)
from flask_skmodels.exceptions import ArtifactError, ModelError
from flask_skmodels.schema.fields import Inputs
from flask_skmodels.schema.types import Estimator, EstimatorInput, JSONObject

_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The description of the training data of a model, which contains none of the rows.

    Make one with :meth:`of` in the training script, and save it beside the model's file. The model
    then infers its schema from the profile and builds X with the same container and dtypes.

    :param container: the kind of X: ``"pandas"``, ``"polars"``, ``"array"`` or ``"list"``
    :param library_versions: the versions of the libraries that were used, by name
    :param rows: the number of rows
    :param columns: the columns of X, in order
    :param target: the target, one column for each output; empty if it was not given
    :param predictions: the predictions of the estimator for these rows, in the same form
    :param baseline: if the last step of the estimator is linear, the mean of each column of its
        input
    :param extra: keys of a file that this version of the library does not know
    """

    container: str
    library_versions: Mapping[str, str] = field(default_factory=dict)
    rows: int
    columns: tuple[ColumnProfile, ...]
    target: tuple[ColumnProfile, ...] = ()
    predictions: tuple[ColumnProfile, ...] = ()
    baseline: tuple[float, ...] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, X: EstimatorInput, y: Any = None, estimator: Estimator = None) -> Profile:
        """Return the profile of training data.

        :param X: the data that the estimator was fitted on: a pandas or polars data frame, an
            array of shape (rows, columns), a sparse matrix, or a list of rows, texts or mappings
        :param y: the target, of shape (rows,) or (rows, outputs)
        :param estimator: the fitted estimator; its predictions are measured on at most 100,000 of
            the rows
        :raises ModelError: X is of an unknown kind, or has no columns, too many, or two of one name
        """
        return cls(**measure(X, y, estimator))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Profile:
        """Return the profile in a file that :meth:`save` has written.

        :raises ArtifactError: the file cannot be read, is too large, or is not a profile
        """
        return read_profile(Path(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile as JSON. An existing file is replaced in one step.

        :raises ArtifactError: the file cannot be written
        """
        file = Path(path)
        try:
            text = json.dumps(self.to_json(), ensure_ascii=False, indent=1, allow_nan=False)
            data = f"{text}\n".encode()
            with NamedTemporaryFile(dir=file.parent, prefix=".profile-", delete=False) as temporary:
                temporary.write(data)
            Path(temporary.name).chmod(0o644)
            Path(temporary.name).replace(file)
        except OSError as error:
            raise ArtifactError(file, f"it cannot be written: {error.strerror}") from error
        except ValueError as error:
            raise ArtifactError(file, f"it cannot be written: {error}") from error

    def to_json(self) -> JSONObject:
        """Return the profile as a JSON object, which :meth:`save` writes."""
        document: JSONObject = {
            "format": FORMAT,
            "version": VERSION,
            "container": self.container,
            "library_versions": dict(self.library_versions),
            "rows": self.rows,
            "columns": [column.to_json() for column in self.columns],
            "target": [column.to_json() for column in self.target],
            "predictions": [column.to_json() for column in self.predictions],
        }
        if self.baseline is not None:
            document["baseline"] = list(self.baseline)
        return document | dict(self.extra)

    def check(self, inputs: Inputs) -> None:
        """Check that the profile has the columns that an estimator was fitted on.

        :param inputs: the X that the estimator takes
        :raises ModelError: the number or the names of the columns differ; the message says how
        """
        if inputs.columns is None:
            return
        if not inputs.named:
            self._check_count(len(inputs.columns))
            return
        fitted = [column.name for column in inputs.columns]
        profiled = [column.name for column in self.columns]
        if self.container in ("array", "list"):
            self._check_count(len(fitted))
        elif set(fitted) != set(profiled):
            raise ModelError(
                "its profile does not match the estimator; "
                + "; ".join(_differences(fitted, profiled))
                + ": make the profile from the data that the estimator was fitted on"
            )

    def _check_count(self, count: int) -> None:
        if count != len(self.columns):
            raise ModelError(
                f"its profile does not match the estimator: the profile has {len(self.columns)} "
                f"columns, the estimator takes {count}. Make the profile from the data that the "
                "estimator was "
                "fitted on"
            )


def read_profile(path: Path, *, is_final: bool = False) -> Profile:
    """Return the profile in a file.

    :param path: the file
    :param is_final: True to refuse a link
    :raises ArtifactError: the file cannot be read, is too large, or is not a profile
    """
    try:
        return Profile(**read_document(parse(_read_bounded(path, is_final=is_final))))
    except MalformedProfile as error:
        raise ArtifactError(path, f"it is not a profile: {error}") from error
    except OSError as error:
        raise ArtifactError(path, f"it cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a zero byte in the name
        raise ArtifactError(path, f"it cannot be read: {error}") from error


def _differences(fitted: list[str], profiled: list[str]) -> list[str]:
    missing = [repr(name) for name in fitted if name not in set(profiled)]
    surplus = [repr(name) for name in profiled if name not in set(fitted)]
    lines = [f"not in the profile: {', '.join(missing[:10])}"] * bool(missing)
    return lines + [f"only in the profile: {', '.join(surplus[:10])}"] * bool(surplus)


def _read_bounded(path: Path, *, is_final: bool) -> bytes:
    """Return the content of a regular file; at most one byte more than a profile may have."""
    descriptor = os.open(path, _FLAGS | (_NO_LINK if is_final else 0))
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MalformedProfile("it is not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            return file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
