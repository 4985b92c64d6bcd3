"""Applications that serve models and nothing else, made from a list of models or from a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click
from flask import Flask, redirect, url_for
from werkzeug.exceptions import HTTPException

from flask_skmodels.artifacts.declaration import Artifact, Policy, ServedFile
from flask_skmodels.artifacts.formats import split_name
from flask_skmodels.cli.console import one_line_errors
from flask_skmodels.estimators import introspect
from flask_skmodels.extension import SKModels
from flask_skmodels.models import Model
from flask_skmodels.state import State
from flask_skmodels.versions.discovery import is_folder
from flask_skmodels.web.responses import problem_response_with_id


def create_app(models: Iterable[Model | type[Model]], import_name: str = __name__) -> Flask:
    """Return an application that serves models and nothing else.

    All its errors are problem documents, including 404 and 405, and ``/`` redirects to the list of
    models.

    :param models: the models, classes or instances
    :param import_name: as for ``Flask``
    :raises ModelError: a model cannot be served; the message gives the reason
    """
    app = Flask(import_name, static_folder=None)
    extension = SKModels(app)
    for model in models:
        extension.register(model)
    app.register_error_handler(HTTPException, problem_response_with_id)
    app.add_url_rule("/", "index", lambda: redirect(url_for("skmodels.-:index")))
    return app


def serve(path: str, name: str | None = None, **options: Any) -> Flask:
    """Return an application that serves the estimator of a file with all its methods.

    The schema is inferred from the estimator. From a shell:

    .. code-block:: console

        $ flask --app 'flask_skmodels:serve("iris.skops")' run

    If the file cannot be served, such a command ends with an error of one line.

    :param path: path of the file, or of a folder of versions, relative to the working directory
    :param name: name of the model, by default the name of the file without its suffix
    :param options: options of the :class:`~flask_skmodels.Artifact`: ``sha256``, ``trusted``
    :raises ArtifactError: the file cannot be loaded; a pickle must be pinned with ``sha256``, and
        the message contains the call that does this
    :raises ModelError: the estimator cannot be served
    """
    is_command = click.get_current_context(silent=True) is not None
    with one_line_errors() if is_command else nullcontext():
        return _application(path, name, options)


def _application(path: str, name: str | None, options: dict[str, Any]) -> Flask:
    artifact = ServedFile(Path(path).absolute(), given=str(path), name=name, **options)
    app = create_app([], import_name="flask_skmodels")
    state: State = app.extensions["skmodels"]
    kind = Model if is_folder(artifact, Policy(root=Path.cwd())) else _ModelWithAllMethods
    state.models.register(kind(name=name or split_name(path)[0], pipeline=artifact))
    return app


class _ModelWithAllMethods(Model):
    """A model that serves all methods of its estimator.

    The methods are not known before the file is loaded, so the trial of the file gets all names.
    """

    @property
    def methods(self) -> Sequence[str]:  # type: ignore[override]
        if isinstance(self.pipeline, Artifact):
            return introspect.METHODS
        return introspect.methods(self.pipeline)
