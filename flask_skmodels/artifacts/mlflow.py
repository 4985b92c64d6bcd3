"""Folders that MLflow has saved a scikit-learn model in, read without MLflow.

The file ``MLmodel`` in the folder names the file of the estimator, the columns of the model and an
example of its input. The file of the estimator is loaded like any other and needs the same pin. The
types that ``MLmodel`` lists as trusted for a file of skops are ignored.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from flask_skmodels.artifacts.declaration import Policy
from flask_skmodels.artifacts.pins import check_signature
from flask_skmodels.artifacts.regular_files import read_description
from flask_skmodels.estimators import input_columns
from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.hints import install_line
from flask_skmodels.schema.types import Estimator, JSONMapping, JSONObject, JSONValue

MLMODEL = "MLmodel"


@dataclass(frozen=True, slots=True)
class MLflowModel:
    """The description of a model in a folder of MLflow.

    :param file: the file that holds the estimator
    :param names: names of the columns in the signature, empty if they have none; None without a
        signature
    :param width: number of columns in the signature, None if it is unknown
    :param examples: rows of the input example
    """

    file: Path
    names: tuple[str, ...] | None
    width: int | None
    examples: tuple[JSONValue, ...]

    def check(self, estimator: Estimator) -> None:
        """Check that the signature has the columns that the estimator takes.

        :raises ArtifactError: the columns differ
        """
        inputs = input_columns.inputs(estimator)
        if inputs.columns is None or inputs.container == "sequence":
            return
        fitted = [column.name for column in inputs.columns]
        if inputs.named and self.names and set(self.names) != set(fitted):
            reason = "its signature does not have the columns that the estimator was fitted on"
            raise ArtifactError(self.file.parent / MLMODEL, reason)
        if self.width is not None and self.width != len(fitted):
            reason = f"its signature has {self.width} columns, the estimator takes {len(fitted)}"
            raise ArtifactError(self.file.parent / MLMODEL, reason)


def is_mlflow_model(path: Path) -> bool:
    """Return True if a path is a folder that MLflow has saved a model in.

    A description that is not a regular file counts too, so that it is refused, not overlooked.
    """
    return os.path.lexists(path / MLMODEL)


def read_mlflow_model(folder: Path, policy: Policy) -> MLflowModel:
    """Return the description of the model in a folder.

    :param folder: a folder for which :func:`is_mlflow_model` is True
    :param policy: the requirements for artifacts; they apply to each file before it is parsed
    :raises ArtifactError: the folder has no scikit-learn model, or its description is not valid
    """
    document = _read_yaml(folder / MLMODEL, policy)
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
        examples=_examples(document, folder, policy),
    )


def _read_yaml(path: Path, policy: Policy) -> JSONObject:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        needed = f"it needs PyYAML: {install_line('mlflow')}"
        raise ArtifactError(path, needed) from error
    data = _read(path, path.parent, policy)
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ArtifactError(path, "it is not valid YAML") from error
    if not isinstance(document, dict):
        raise ArtifactError(path, "it is not a description of a model")
    return document


def _read(path: Path, folder: Path, policy: Policy) -> bytes:
    data = read_description(path, folder)
    check_signature(policy, path, data)
    return data


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file in a folder; refuse a name that points outside it."""
    path = Path(name)
    if path.is_absolute() or not path.name or ".." in path.parts or "\0" in name:
        raise ArtifactError(folder / MLMODEL, "it names a file that is not in its folder")
    return folder / path


def _columns(document: JSONMapping, path: Path) -> tuple[tuple[str, ...] | None, int | None]:
    """Return the names and the number of the columns in the signature."""
    signature = document.get("signature")
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    if inputs is None:
        return None, None
    try:
        columns = json.loads(inputs)
        if len(columns) == 1 and columns[0].get("type") == "tensor" and "name" not in columns[0]:
            shape = columns[0]["tensor-spec"]["shape"]
            return (), shape[1] if len(shape) == 2 and shape[1] > 0 else None
        return tuple(str(each["name"]) for each in columns if "name" in each), len(columns)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise ArtifactError(path, "its signature cannot be read") from error


def _examples(document: JSONMapping, folder: Path, policy: Policy) -> tuple[JSONValue, ...]:
    """Return the rows of the input example, none if its format has no rows."""
    info = document.get("saved_input_example_info")
    name = info.get("artifact_path") if isinstance(info, dict) else None
    if not isinstance(name, str):
        return ()
    path = _inside(folder, name)
    try:
        example = json.loads(_read(path, folder, policy))
    except (ValueError, RecursionError) as error:
        raise ArtifactError(path, "it is not valid JSON") from error
    return tuple(_rows(example))


def _rows(example: JSONValue) -> list[JSONValue]:
    """Return the rows of an example; a single value is a row of one column."""
    names = example.get("columns") if isinstance(example, dict) else None
    rows = example.get("data", example.get("inputs")) if isinstance(example, dict) else example
    if not isinstance(rows, list):
        return []
    rows = [row if isinstance(row, list | dict) else [row] for row in rows]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return rows
    return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in rows]
