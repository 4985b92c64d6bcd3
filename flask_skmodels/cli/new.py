"""``flask skmodels new``: write a Python module that registers the model of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import Loaded, load
from flask_skmodels.artifacts.profile_beside import load_profile_beside
from flask_skmodels.artifacts.skops import untrusted_types
from flask_skmodels.cli.console import (
    FILE,
    json_option,
    one_line_errors,
    print_json,
    write_new,
)
from flask_skmodels.cli.new_project import examine, write_project
from flask_skmodels.cli.source import class_name, literal, options_of
from flask_skmodels.cli.terminal import progress
from flask_skmodels.estimators import introspect
from flask_skmodels.models import KeyValueModel, Model, inputs_of, name_of, rules_from
from flask_skmodels.schema.types import FieldRules

_MODULE = '''\
"""The model {name}."""

from flask import Flask, redirect

from flask_skmodels import Artifact, {base}, SKModels

models = SKModels()


@models.register
class {cls}({base}):
    """Predictions of the model {name}."""

    name = "{name}"
{attributes}

def create_app() -> Flask:
    app = Flask(__name__)
    models.init_app(app)
    app.add_url_rule("/", "start", lambda: redirect("-/"))  # the list of models
    return app
'''
MOST_COMMENTED = 20  # fields
_UNNAMED = """\
    # The estimator was fitted without names: a row has one field "values". To name its fields, use
    # the lines below with names of your own.
"""


@click.command("new")
@click.argument("name", metavar="NAME")
@click.argument("file", type=FILE, metavar="MODELFILE")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write, or - to print the module. Default: NAME.py",
)
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write a whole project into this new folder instead of one module.",
)
@click.option(
    "--data",
    type=FILE,
    help="File of the training data, from which the project gets a profile and its schema. "
    "Default: the profile beside MODELFILE, if there is one.",
)
@click.option("--target", metavar="COLUMN", help="Column of the target in the training data.")
@json_option
def new_command(
    name: str,
    file: Path,
    *,
    output: Path | None,
    project: Path | None,
    data: Path | None,
    target: str | None,
    as_json: bool,
) -> None:
    """Write a Python module, or a whole project, that serves a model file.

    NAME is the name of the model, MODELFILE the file of a fitted estimator. The module contains
    the schema of the rows that serve() takes for the same file, for you to edit: that of the
    profile beside the file, if there is one, else as much as the estimator knows.

    With --project it writes a folder with the application, a copy of MODELFILE, a test, a
    Dockerfile with gunicorn, and a README. The schema is that of the training data in --data, or of
    the profile beside MODELFILE.

    MODELFILE is loaded, and a pickle can run any code when it is loaded. Use only files that you
    trust.

    \b
    Examples:
      flask skmodels new iris iris.skops
      flask skmodels new iris iris.skops --project shop --data train.csv --target species
    """
    if project is not None:
        with one_line_errors(), progress(f"examining {file}"):
            written = write_project(examine(name, file, data, target), project)
        _print_project(project, written, as_json)
        return
    if data is not None or target is not None:
        raise click.UsageError("--data and --target need --project")
    is_printed = str(output) == "-"
    path = Path(f"{name}.py") if output is None or is_printed else output
    with one_line_errors(), progress(f"examining {file}"):
        source = module_source(name, file, path.parent)
    if is_printed:
        print_json({"source": source}) if as_json else click.echo(source, nl=False)
        return
    write_new(path, source)
    if as_json:
        print_json({"written": str(path)})
        return
    click.echo(f"wrote {path}: edit its schema, then run it with: flask --app {path} run")


def _print_project(folder: Path, written: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"Read {folder / 'README.md'} for what comes next.")


def module_source(name: str, file: Path, folder: Path) -> str:
    """Return the source of a module that registers the model of a file.

    The file is loaded even if it is not pinned, so code in it can run.

    :param name: name of the model
    :param file: the file of a fitted estimator
    :param folder: the folder of the module; the path in the module is relative to it
    :raises ArtifactError: the file cannot be loaded
    :raises ModelError: the name is not valid for a model
    """
    name_of(Model(name=name))
    artifact = Artifact(file.absolute(), trusted=untrusted_types(file))
    loaded = load(artifact, Policy(root=Path.cwd(), trust_pickle=True))
    profile = load_profile_beside(file.absolute())
    model = Model(name=name, pipeline=loaded.estimator, profile=profile)
    inputs = inputs_of(model, introspect.methods(loaded.estimator))
    rules = None if inputs.container == "sequence" else rules_from(inputs)
    is_named = rules is not None and inputs.named
    return _MODULE.format(
        name=name,
        cls=class_name(name),
        base=(KeyValueModel if is_named else Model).__name__,
        attributes="".join([*_attributes(artifact, loaded, folder), *_schema(rules, is_named)]),
    )


def _attributes(artifact: Artifact, loaded: Loaded, folder: Path) -> list[str]:
    path = os.path.relpath(artifact.path, folder.absolute())
    lines = ["    pipeline = Artifact(\n", f"        {literal(path)},\n"]
    options = options_of(loaded, artifact.trusted)
    lines += [f"        {key}={literal(value)},\n" for key, value in options.items()]
    lines += ["    )\n"]
    if "predict_proba" in introspect.methods(loaded.estimator):
        lines.append("    probability = True\n")
    return lines


def _schema(rules: FieldRules | None, is_named: bool) -> list[str]:
    """Return the lines of a schema; they are a comment if a row has no names without it."""
    if rules is None:
        return []
    fields = [f"    {literal(field)}: {literal(rule)},\n" for field, rule in rules.items()]
    if is_named:
        return [f"    {line}" for line in ("schema = {\n", *fields, "}\n")]
    shown = fields if len(fields) <= MOST_COMMENTED else [*fields[:MOST_COMMENTED], "    ...\n"]
    return [_UNNAMED, *(f"    # {line}" for line in ("schema = {\n", *shown, "}\n"))]
