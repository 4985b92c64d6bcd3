"""The command group ``flask skmodels``."""

from __future__ import annotations

import os

import click
from flask.cli import AppGroup

from flask_skmodels.cli.bench import bench_command
from flask_skmodels.cli.check import check_command
from flask_skmodels.cli.compare import compare_command
from flask_skmodels.cli.convert import convert_command
from flask_skmodels.cli.doctor import doctor_command
from flask_skmodels.cli.drift import drift_command
from flask_skmodels.cli.list import list_command
from flask_skmodels.cli.new import new_command
from flask_skmodels.cli.openapi import openapi_command
from flask_skmodels.cli.pin import pin_command
from flask_skmodels.cli.predict import predict_command
from flask_skmodels.cli.profile import profile_command
from flask_skmodels.cli.reload import reload_command
from flask_skmodels.cli.score import score_command
from flask_skmodels.cli.show import show_command

COMMANDS = (
    *(list_command, show_command, predict_command, check_command, openapi_command),
    *(pin_command, convert_command, bench_command, new_command, reload_command, compare_command),
    *(profile_command, drift_command, score_command, doctor_command),
)


def group(name: str) -> AppGroup:
    """Return the group of commands for an extension.

    :param name: the extension's name, which is also the name of the group
    """
    about = "Inspect, test and manage the models of this application."
    commands = AppGroup(name, help=about, callback=_without_color_if_asked)
    for command in COMMANDS:
        commands.add_command(command)
    return commands


@click.pass_context
def _without_color_if_asked(context: click.Context) -> None:
    """Print without color if ``NO_COLOR`` is set, see https://no-color.org."""
    if os.environ.get("NO_COLOR"):
        context.color = False


# The entry point of the ``flask`` command: these commands are available even when the application
# cannot be loaded, for example because the pin of a file is missing.
commands = group("skmodels")
