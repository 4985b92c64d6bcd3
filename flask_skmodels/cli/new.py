"""``flask skmodels new``: write a Python module that registers the model of a file."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
from flask_skmodels.estimators import introspect
from flask_skmodels.exceptions import ModelError
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
@json_option
def new_command(name: str, file: Path, output: Path | None, as_json: bool) -> None:
    """Write a Python module that serves a model file.

    NAME is the name of the model, MODELFILE the file of a fitted estimator. The module contains
    the schema of the rows that serve() takes for the same file, for you to edit: that of the
    profile beside the file, if there is one, else as much as the estimator knows.

    MODELFILE is loaded, and a pickle can run any code when it is loaded. Use only files that you
    trust.

    Example: flask skmodels new iris iris.skops
    """
    is_printed = str(output) == "-"
    target = Path(f"{name}.py") if output is None or is_printed else output
    with one_line_errors():
        source = module_source(name, file, target.parent)
    if is_printed:
        print_json({"source": source}) if as_json else click.echo(source, nl=False)
        return
    write_new(target, source)
    if as_json:
        print_json({"written": str(target)})
        return
    click.echo(f"wrote {target}: edit its schema, then run it with: flask --app {target} run")


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
        cls=_class_name(name),
        base=(KeyValueModel if is_named else Model).__name__,
        attributes="".join([*_attributes(artifact, loaded, folder), *_schema(rules, is_named)]),
    )


def _attributes(artifact: Artifact, loaded: Loaded, folder: Path) -> list[str]:
    path = os.path.relpath(artifact.path, folder.absolute())
    options = {"sha256": loaded.sha256, "trusted": list(artifact.trusted)}
    lines = ["    pipeline = Artifact(\n", f"        {_literal(path)},\n"]
    lines += [f"        {key}={_literal(value)},\n" for key, value in options.items() if value]
    lines += ["    )\n"]
    if "predict_proba" in introspect.methods(loaded.estimator):
        lines.append("    probability = True\n")
    return lines


def _schema(rules: FieldRules | None, is_named: bool) -> list[str]:
    """Return the lines of a schema; they are a comment if a row has no names without it."""
    if rules is None:
        return []
    fields = [f"    {_literal(field)}: {_literal(rule)},\n" for field, rule in rules.items()]
    if is_named:
        return [f"    {line}" for line in ("schema = {\n", *fields, "}\n")]
    shown = fields if len(fields) <= MOST_COMMENTED else [*fields[:MOST_COMMENTED], "    ...\n"]
    return [_UNNAMED, *(f"    # {line}" for line in ("schema = {\n", *shown, "}\n"))]


def _literal(value: Any) -> str:
    """Return a value as Python source, formatted with double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return f"[{', '.join(map(_literal, value))}]" if isinstance(value, list) else repr(value)


def _class_name(name: str) -> str:
    words = re.split(r"[^A-Za-z0-9]+", name)
    cls = "".join(word[:1].upper() + word[1:] for word in words)
    if not cls.isidentifier():
        raise ModelError(
            f"the model name {name!r} cannot be used for a class: begin it with a letter"
        )
    return cls
