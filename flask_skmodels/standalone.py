"""An application that serves a single model file, without any code."""

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
    """Return an application that serves the estimator of a file with all its methods.

    The schema is inferred from the estimator. From a shell:

    .. code-block:: console

        $ flask --app 'flask_skmodels:serve("iris.skops")' run

    If the file cannot be served, such a command ends with an error of one line.

    :param path: path of the file, or of a folder of versions, relative to the working directory
    :param name: name of the model, by default the name of the file without its suffix
    :param options: options of the :class:`~flask_skmodels.Artifact`: ``sha256``, ``trusted``
    :raises ArtifactError: the file cannot be loaded; a pickle must be pinned with ``sha256``
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
    """Return the methods of the estimator in a file; its version uses the same loaded file."""
    loaded = load_once(files[None], Policy(root=Path.cwd()))
    return introspect.methods(loaded.estimator)
