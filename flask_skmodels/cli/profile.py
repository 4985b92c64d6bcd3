"""``flask skmodels profile``: measure the training data of a model in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from flask_skmodels.artifacts.mlflow import is_mlflow_model
from flask_skmodels.artifacts.pins import from_here
from flask_skmodels.artifacts.profile_beside import profile_path
from flask_skmodels.cli.console import (
    FILE,
    deployment_named,
    in_application,
    json_option,
    one_line_errors,
    print_json,
)
from flask_skmodels.cli.terminal import MODEL, progress
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.estimators.profile.arrow_columns import StreamedColumn
from flask_skmodels.estimators.profile.estimator_figures import EstimatorFigures
from flask_skmodels.estimators.profile.measurement import library_versions, output_profiles
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.estimators.profile.training_files import Batch, TrainingFile
from flask_skmodels.exceptions import InvalidInput, ModelError, SKModelsError
from flask_skmodels.hints import did_you_mean
from flask_skmodels.models import Model, inputs_of
from flask_skmodels.schema.dtypes import to_objects
from flask_skmodels.schema.rows import Columns
from flask_skmodels.schema.schema import FixedSchema, Schema
from flask_skmodels.schema.tabular import to_sklearn
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import application

PREDICTED_ROWS = 2_000  # of each batch
MAX_PREDICTED_ROWS = 100_000


@click.command("profile")
@click.argument("name", type=MODEL, metavar="MODEL")
@click.argument("file", type=FILE, metavar="FILE")
@click.option("--target", metavar="COLUMN", help="Column of the target.")
@click.option("--version", "label", help="Version of the model. Default: the live version.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, or - to print the profile. Default: beside the model's file.",
)
@json_option
@in_application
def profile_command(
    name: str,
    file: Path,
    *,
    target: str | None,
    label: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Measure the training data of a model, and write its profile.

    MODEL is the name of the model, FILE its training data: a file with the suffix .csv, .parquet,
    .arrow, .feather, .ndjson or .jsonl. The file is read in batches, so it may be larger than the
    memory. The profile contains none of its rows.

    Example: flask skmodels profile risk train.parquet --target defaulted
    """
    deployment = deployment_named(name)
    with one_line_errors():
        version = deployment.version(application(), label)
        path = _beside(version) if output is None else output
        with progress(f"measuring {file}"):
            profile, problem = measure_file(version, TrainingFile(file), target)
        warn_of(problem)
        if str(output) == "-":
            click.echo(dumps(profile.to_json()).decode())
            return
        profile.save(path)
    if as_json:
        print_json({"written": str(path), "rows": profile.rows, "columns": len(profile.columns)})
        return
    click.echo(f"wrote {from_here(path)}: {profile.rows} rows, {len(profile.columns)} columns")


def warn_of(problem: str) -> None:
    """Write why a profile has no predictions to standard error, if there is a reason."""
    if problem:
        click.echo(f"the profile has no predictions, because of this error: {problem}", err=True)


def measure_file(
    version: ModelVersion, file: TrainingFile, target: str | None
) -> tuple[Profile, str]:
    """Return the profile of the training data in a file, and the reason if it has no predictions.

    If the model declares no schema, its rows are as the profile describes them.

    :param version: the version that was trained on the data
    :param file: the file
    :param target: the column of the target, None if it is not in the file
    :raises ModelError: the file has no rows, lacks columns of the model or the target, or has two
        columns with the same name; or the target is a column that the model takes
    :raises ArtifactError: the file cannot be read, or semicolons separate its values
    """
    names = _columns_of(version, file, target)
    targets = [] if target is None else [target]
    container = "polars" if version.container == "polars" else "pandas"
    streams = {
        each: StreamedColumn(each, container, file.pandas_dtypes.get(each), is_csv=file.is_csv)
        for each in dict.fromkeys([*names, *targets])
    }
    rows, predictions = 0, _VersionFigures(version.model, version.schema, names)
    for batch in file.batches(list(streams)):
        rows += len(next(iter(batch.values())))
        for each, stream in streams.items():
            stream.add(batch[each])
        predictions.add(batch)
    if not rows:
        raise ModelError(f"{file.path} has no rows")
    columns = {each: stream.finish().profile() for each, stream in streams.items()}
    profile = Profile(
        container=container,
        library_versions=library_versions(container, version.model.pipeline),
        rows=rows,
        columns=tuple(columns[each] for each in names),
        target=tuple(columns[each] for each in targets),
    )
    if predictions.problem and version.model.schema is None:
        predictions = _VersionFigures(version.model, _schema_with(version, profile), names)
        for batch in file.batches(names):
            predictions.add(batch)
    figures = predictions.figures
    if figures is not None:
        found = output_profiles(figures.predictions)
        profile = replace(profile, predictions=found, baseline=figures.baseline)
    return profile, predictions.problem


def _schema_with(version: ModelVersion, profile: Profile) -> Schema:
    """Return the schema that a version would have with a profile.

    :raises ModelError: the profile does not match the estimator
    """
    model = copy(version.model)
    model.profile = profile
    return model.compile_schema(inputs_of(model, version.methods))


def _columns_of(version: ModelVersion, file: TrainingFile, target: str | None) -> list[str]:
    """Return the columns of a file that a model takes, in the order of the model.

    A model that does not know the names of its columns takes all columns except the target. A model
    of texts takes the only column besides the target, whatever the name of the column is.
    """
    schema = version.schema
    try:
        names = _matching_columns(version, file, target)
    except ModelError:
        file.check_separator(is_named=True)
        raise
    if schema.unnamed or not schema.column_names:
        file.check_separator()
    return names


def _matching_columns(version: ModelVersion, file: TrainingFile, target: str | None) -> list[str]:
    known = set(file.names)
    if len(known) < len(file.names):
        repeated = next(name for name in file.names if file.names.count(name) > 1)
        raise ModelError(f"{file.path} has several columns named {repeated!r}")
    if target is not None and target not in known:
        hint = did_you_mean(target, known)
        raise ModelError(f"{file.path} has no column {target!r}{hint}")
    schema = version.schema
    if schema.unnamed or not schema.column_names:
        names = [name for name in file.names if name != target]
        if schema.fields and len(names) != len(schema.fields):
            besides = " besides the target" if target is not None else ""
            remedy = ": name the column of the target with --target" if target is None else ""
            raise ModelError(
                f"{file.path} has {len(names)} columns{besides}, but the model takes "
                f"{len(schema.fields)}{remedy}"
            )
        return names
    others = [name for name in file.names if name != target]
    if version.container == "sequence" and len(others) == len(schema.column_names) == 1:
        return others  # an estimator of texts does not know their name
    missing = [repr(name) for name in schema.column_names if name not in known]
    if missing:
        raise ModelError(
            f"{file.path} does not have these columns of the model: {', '.join(missing[:10])}"
        )
    if target in schema.column_names:
        raise ModelError(f"the target {target!r} is a column that the model takes")
    return list(schema.column_names)


class _VersionFigures:
    """The figures of the predictions for some of the rows of each batch.

    :param model: the model, with its estimator
    :param schema: the schema of its rows
    :param names: the columns of the file that the model takes, in the order of the model
    :ivar figures: the figures; None if the schema rejects rows of the training data
    :ivar problem: the reason why there are no figures
    """

    def __init__(self, model: Model, schema: Schema, names: Sequence[str]) -> None:
        self._schema = schema
        self._names = names
        self.figures: EstimatorFigures | None = EstimatorFigures(model.pipeline)
        self.problem = ""

    def add(self, batch: Batch) -> None:
        """Predict some of the rows of a batch."""
        if self.figures is None or self.figures.rows >= MAX_PREDICTED_ROWS:
            return
        columns = {name: _values(batch[name][:PREDICTED_ROWS]) for name in self._names}
        try:
            self.figures.add(to_sklearn(self._schema.clean(self._rows(columns))))
        except SKModelsError as error:
            self.figures, self.problem = None, _first(error)

    def _rows(self, columns: Mapping[str, list[Any]]) -> Columns:
        if not isinstance(self._schema, FixedSchema) or self._schema.unnamed:
            return Columns(columns, positional=True)
        fields = [field.name for field in self._schema.column_fields]
        return Columns(dict(zip(fields, columns.values(), strict=True)))


def _values(column: Any) -> list[Any]:
    """Return the values of a column as Python objects, None for a missing one."""
    return to_objects(column if isinstance(column, list) else column.to_pylist())


def _first(error: SKModelsError) -> str:
    """Return the first error in the rows, or the message of the exception if there is none."""
    return str(error.errors[0]) if isinstance(error, InvalidInput) else str(error)


def _beside(version: ModelVersion) -> Path:
    """Return the path of the profile beside the file of a version.

    :raises ModelError: the model has no file
    """
    if version.loaded is None:
        raise ModelError(
            f"model {version.name!r} has no file, so give the file of the profile with --output"
        )
    path = version.loaded.path
    folder = next((parent for parent in path.parents if is_mlflow_model(parent)), None)
    return profile_path(path if folder is None else folder)
