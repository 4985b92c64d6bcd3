"""``flask skmodels check``: a check that every version of every model can be served."""

from __future__ import annotations

import click

from flask_skmodels.cli.console import counted, extension_state, in_application, one_line
from flask_skmodels.codecs.registration import missing_codecs
from flask_skmodels.exceptions import SKModelsError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.types import JSONObject
from flask_skmodels.versions.compatibility import check_examples
from flask_skmodels.web.exchange import application


@click.command("check")
@in_application
def check_command() -> None:
    """Check that every version of every model can be served.

    Loads each version and predicts the examples of its model. Prints one line for each version.
    Also prints one line for each format whose library is not installed. The exit status is 1 if a
    version cannot be served.

    Example: flask skmodels check
    """
    state = extension_state()
    with state.several_trials():
        failures = [_check(deployment) for deployment in state.deployments.values()]
    for codec in missing_codecs():
        click.echo(
            f"format {codec.media_type} is not available: {codec.library} is not installed. "
            f"To install it: pip install 'Flask-SKModels[{codec.extra}]'"
        )
    if sum(failures):
        raise click.ClickException(f"{counted(sum(failures), 'version')} cannot be served")


def _check(deployment: Deployment) -> int:
    """Print a line for each version of a model, and return how many cannot be served."""
    app, versions = application(), deployment.versions
    labels = [each["version"] for each in _versions(deployment)] if versions.is_folder else [None]
    failures = 0
    for label in labels:
        try:
            version = versions.current(app) if label is None else versions.get(label, app)
            check_examples(version)
        except SKModelsError as error:
            failures += 1
            click.echo(f"{_title(deployment, label)}: {one_line(error)}")
        else:
            examples = counted(len(version.model.examples), "example")
            engine = version.engine.name
            click.echo(f"{_title(deployment, label)}: good, engine {engine}, {examples}")
    return failures


def _versions(deployment: Deployment) -> list[JSONObject]:
    deployment.versions.refresh(application())
    return deployment.versions.describe() or [{"version": None}]


def _title(deployment: Deployment, label: str | None) -> str:
    return deployment.name if label is None else f"{deployment.name} {label}"
