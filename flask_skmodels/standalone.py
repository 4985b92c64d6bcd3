"""A whole application for one file, without any code."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from flask import Flask

from flask_skmodels.artifacts.declaration import Artifact, Policy, split_name
from flask_skmodels.cli.console import one_line_errors
from flask_skmodels.estimators import introspect
from flask_skmodels.extension import create_app
from flask_skmodels.models import Model
from flask_skmodels.versions.discovery import File, find
from flask_skmodels.versions.loaded_files import load_once


def serve(path: str, name: str | None = None, **options: Any) -> Flask:
    """Return an application that serves the estimator of a file, by every method that it has.

    The schema is what the estimator tells of itself. From a shell:

    .. code-block:: console

        $ flask --app 'flask_skmodels:serve("iris.skops")' run

    What is wrong with the file ends such a command with one line.

    :param path: the file, relative to the working directory
    :param name: of the model, by default the file's name without its ending
    :param options: of the :class:`~flask_skmodels.Artifact`: ``sha256``, ``trusted``
    :raises ArtifactError: the file cannot be loaded; a pickle must be pinned by ``sha256``
    :raises ModelError: the estimator cannot be served
    """
    is_command = click.get_current_context(silent=True) is not None
    with one_line_errors() if is_command else nullcontext():
        return _application(path, name, options)


def _application(path: str, name: str | None, options: dict[str, Any]) -> Flask:
    artifact = Artifact(Path(path).absolute(), **options)
    stem = split_name(path)[0]
    files = find(artifact, Policy(root=Path.cwd()))
    methods = _methods(files) if None in files else None
    model = Model(name=name or stem, pipeline=artifact, methods=methods)
    return create_app([model], import_name="flask_skmodels")


def _methods(files: dict[str | None, File]) -> tuple[str, ...]:
    """Return the methods of the estimator that a file holds, which is loaded once for all."""
    loaded = load_once(files[None], Policy(root=Path.cwd()))
    return introspect.methods(loaded.estimator)
