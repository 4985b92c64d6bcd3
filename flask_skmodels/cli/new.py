"""``flask skmodels new``: write a Python module that registers the model of a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from flask_skmodels.artifacts.declaration import Artifact, Policy
from flask_skmodels.artifacts.loading import Loaded, load
from flask_skmodels.artifacts.pins import from_here
from flask_skmodels.artifacts.profile_beside import load_profile_beside, profile_path
from flask_skmodels.artifacts.skops import untrusted_types
from flask_skmodels.cli.console import (
    FILE,
    json_option,
    one_line_errors,
    print_json,
    write_new,
)
from flask_skmodels.cli.new_project import (
    RANGES,
    comment_of,
    examine_file,
    profile_of_file,
    write_project,
)
from flask_skmodels.cli.source import class_name_for, literal, options_of
from flask_skmodels.cli.terminal import progress
from flask_skmodels.estimators import introspect
from flask_skmodels.estimators.profile.profile import Profile
from flask_skmodels.models import KeyValueModel, Model, inputs_of, name_of, rules_from
from flask_skmodels.schema.fields import Inputs
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
MAX_COMMENTED = 20  # fields
_UNNAMED = """\
    # The estimator was fitted without names, so a row has one field "values". To give the fields
    # names, use the lines below and put in your own names.
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
    help="File of the training data. The command makes a schema that matches it, and writes its "
    "profile. Default: the profile beside MODELFILE, if there is one.",
)
@click.option(
    "--target", metavar="COLUMN", help="Name of the target's column in the training data."
)
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

    NAME is the name of the model, MODELFILE the file of a fitted estimator. The module contains a
    schema for you to edit. With --data, the command also measures the training data: it makes a
    schema that matches them and writes their profile beside MODELFILE. Without --data, it makes the
    schema from a profile that is already beside MODELFILE, or, if there is none, from what the
    estimator knows about its columns.

    With --project the command writes a folder with the application, a copy of MODELFILE and its
    profile, a test, a Dockerfile with gunicorn, and a README.

    MODELFILE is loaded, and a pickle can run any code when it is loaded. Use only files that you
    trust.

    \b
    Examples:
      flask skmodels new iris iris.skops --data train.csv --target species
      flask skmodels new iris iris.skops --project shop --data train.csv --target species
    """
    if target is not None and data is None:
        raise click.UsageError("--target needs --data")
    if project is not None:
        with one_line_errors(), progress(f"examining {file}"):
            written = write_project(examine_file(name, file, data, target), project)
        _print_project(project, written, as_json)
        return
    is_printed = str(output) == "-"
    path = Path(f"{name}.py") if output is None or is_printed else output
    with one_line_errors(), progress(f"examining {file}"):
        module = examine_module(name, file, data, target)
    source = module_source(module, path.parent)
    if is_printed:
        print_json({"source": source}) if as_json else click.echo(source, nl=False)
        return
    write_new(path, source)
    _write_profile(module, is_new=data is not None, as_json=as_json)
    if as_json:
        print_json({"written": str(path)})
        return
    click.echo(f"wrote {path}: edit its schema, then run it with: flask --app {path} run")


def _write_profile(module: Module, *, is_new: bool, as_json: bool) -> None:
    """Write the profile beside the model file, if this command has measured it."""
    profile, path = module.profile, profile_path(module.file)
    if profile is None or not is_new:
        return
    with one_line_errors():
        profile.save(path)
    if not as_json:
        columns = len(profile.columns)
        click.echo(f"wrote {from_here(path)}: {profile.rows} rows, {columns} columns")


def _print_project(folder: Path, written: Sequence[Path], as_json: bool) -> None:
    if as_json:
        print_json({"written": [str(path) for path in written]})
        return
    for path in written:
        click.echo(f"wrote {path}")
    click.echo(f"Read {folder / 'README.md'} for the next steps.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """What a new module needs to know about its model.

    :param name: name of the model
    :param file: the file of the model
    :param artifact: the file as the module declares it
    :param loaded: the content of the file
    :param profile: the profile of the training data, None if the data are not known
    """

    name: str
    file: Path
    artifact: Artifact
    loaded: Loaded
    profile: Profile | None


def examine_module(name: str, file: Path, data: Path | None, target: str | None) -> Module:
    """Return what a new module needs to know about its model.

    The file is loaded even if it is not pinned, so code in it can run.

    :param name: name of the model
    :param file: the file of a fitted estimator
    :param data: a file of its training data, None for the profile beside the file, if there is one
    :param target: the column of the target in the training data
    :raises SKModelsError: the file, the training data or the name cannot be used
    """
    class_name_for(name_of(Model(name=name)))  # before the work
    artifact = Artifact(file.absolute(), trusted=untrusted_types(file))
    loaded = load(artifact, Policy(root=Path.cwd(), trust_pickle=True))
    if data is None:
        profile = load_profile_beside(file.absolute())
    else:
        profile = profile_of_file(name, loaded, data, target)
    return Module(name=name, file=file, artifact=artifact, loaded=loaded, profile=profile)


def module_source(module: Module, folder: Path) -> str:
    """Return the source of a module that registers the model of a file.

    :param module: the model
    :param folder: the folder of the module; the path in the module is relative to it
    """
    name, loaded = module.name, module.loaded
    model = Model(name=name, pipeline=loaded.estimator, profile=module.profile)
    inputs = inputs_of(model, introspect.methods(loaded.estimator))
    rules = None if inputs.container == "sequence" else rules_from(inputs)
    is_named = rules is not None and inputs.named
    attributes = _attributes(module.artifact, loaded, folder)
    attributes += [] if module.profile is None else [RANGES]
    return _MODULE.format(
        name=name,
        cls=class_name_for(name),
        base=(KeyValueModel if is_named else Model).__name__,
        attributes="".join([*attributes, *_schema(rules, inputs, is_named=is_named)]),
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


def _schema(rules: FieldRules | None, inputs: Inputs, *, is_named: bool) -> list[str]:
    """Return the lines of a schema, as a comment if it is the schema that would name the fields."""
    if rules is None:
        return []
    columns = {column.name: column for column in inputs.columns or ()}
    fields = [
        f"    {literal(field)}: {literal(rule)},{comment_of(columns[field])}\n"
        for field, rule in rules.items()
    ]
    if is_named:
        return [f"    {line}" for line in ("schema = {\n", *fields, "}\n")]
    shown = fields if len(fields) <= MAX_COMMENTED else [*fields[:MAX_COMMENTED], "    ...\n"]
    return [_UNNAMED, *(f"    # {line}" for line in ("schema = {\n", *shown, "}\n"))]
