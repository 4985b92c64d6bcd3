"""Folders of MLflow with a scikit-learn model, read without MLflow.

The folder's ``MLmodel`` says which file holds the estimator, what the model takes, and where an
example of its input is. The file itself is loaded as any other, by the same pins; what ``MLmodel``
says of types that a file of skops may hold is not trusted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from flask_skmodels.errors import ArtifactError
from flask_skmodels.estimators import introspect

MLMODEL = "MLmodel"
_Verify = Callable[[Path, bytes], None]


@dataclass(frozen=True, slots=True)
class MLflowModel:
    """What a folder says of its model.

    :param file: the file that holds the estimator
    :param names: of the columns of its signature, empty where they have none; None without one
    :param width: how many columns its signature has, None where that is not said
    :param examples: rows of its input example
    """

    file: Path
    names: tuple[str, ...] | None
    width: int | None
    examples: tuple[Any, ...]

    def check(self, estimator: Any) -> None:
        """Hold the signature against the estimator.

        :raises ArtifactError: they have not the same columns
        """
        inputs = introspect.inputs(estimator)
        if inputs.columns is None or inputs.container == "sequence":
            return
        own = [column.name for column in inputs.columns]
        if inputs.named and self.names and set(self.names) != set(own):
            reason = "the columns of its signature are not those that the estimator was fitted on"
            raise ArtifactError(self.file.parent / MLMODEL, reason)
        if self.width is not None and self.width != len(own):
            reason = f"its signature has {self.width} columns, the estimator takes {len(own)}"
            raise ArtifactError(self.file.parent / MLMODEL, reason)


def is_mlflow_model(path: Path) -> bool:
    """Return whether a path is a folder of MLflow with a model."""
    try:
        return (path / MLMODEL).is_file()
    except (OSError, ValueError):
        return False


def read_mlflow_model(folder: Path, verify: _Verify) -> MLflowModel:
    """Return what a folder says of its model.

    :param folder: one that :func:`is_mlflow_model` says to be one
    :param verify: called with each file and its bytes before they are read; raises ArtifactError
    :raises ArtifactError: it has no scikit-learn model, or says what cannot be
    """
    document = _read_yaml(folder / MLMODEL, verify)
    flavors = document.get("flavors")
    flavor = flavors.get("sklearn") if isinstance(flavors, dict) else None
    name = flavor.get("pickled_model") if isinstance(flavor, dict) else None
    if not isinstance(name, str):
        raise ArtifactError(folder / MLMODEL, "it has no model of the flavor sklearn")
    names, width = _columns(document, folder / MLMODEL)
    return MLflowModel(
        file=_inside(folder, name),
        names=names,
        width=width,
        examples=_examples(document, folder, verify),
    )


def _read_yaml(path: Path, verify: _Verify) -> dict[str, Any]:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        needed = "it needs PyYAML: pip install 'Flask-SKModels[mlflow]'"
        raise ArtifactError(path, needed) from error
    data = _read(path, verify)
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ArtifactError(path, "it is not valid YAML") from error
    if not isinstance(document, dict):
        raise ArtifactError(path, "it is not a description of a model")
    return document


def _read(path: Path, verify: _Verify) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ArtifactError(path, f"it cannot be read: {error.strerror or error}") from error
    verify(path, data)
    return data


def _inside(folder: Path, name: str) -> Path:
    """Return a file of a folder, whose name is that of no other place."""
    path = Path(name)
    if path.is_absolute() or not path.name or ".." in path.parts:
        raise ArtifactError(folder / MLMODEL, "it names a file that is not in its folder")
    return folder / path


def _columns(document: Mapping[str, Any], path: Path) -> tuple[tuple[str, ...] | None, int | None]:
    """Return the names and the number of the columns of the signature."""
    signature = document.get("signature")
    told = signature.get("inputs") if isinstance(signature, dict) else None
    if told is None:
        return None, None
    try:
        columns = json.loads(told)
        if len(columns) == 1 and columns[0].get("type") == "tensor" and "name" not in columns[0]:
            shape = columns[0]["tensor-spec"]["shape"]
            return (), shape[1] if len(shape) == 2 and shape[1] > 0 else None
        return tuple(str(each["name"]) for each in columns if "name" in each), len(columns)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ArtifactError(path, "its signature cannot be read") from error


def _examples(document: Mapping[str, Any], folder: Path, verify: _Verify) -> tuple[Any, ...]:
    """Return the rows of the input example, none where it is of no form that has rows."""
    info = document.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    if not isinstance(name, str):
        return ()
    path = _inside(folder, name)
    try:
        example = json.loads(_read(path, verify))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, "it is not valid JSON") from error
    return tuple(_rows(example))


def _rows(example: Any) -> list[Any]:
    """Return the rows of an example; a value that is no row is that of the only column."""
    names = example.get("columns") if isinstance(example, dict) else None
    rows = example.get("data", example.get("inputs")) if isinstance(example, dict) else example
    if not isinstance(rows, list):
        return []
    rows = [row if isinstance(row, list | dict) else [row] for row in rows]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return rows
    return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in rows]
