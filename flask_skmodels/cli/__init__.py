"""``flask skmodels``: what is done to the models of an application from a shell."""

from __future__ import annotations

from flask.cli import AppGroup

from flask_skmodels.cli.files import convert_command, new_command, pin_command
from flask_skmodels.cli.inspect import check_command, list_command, openapi_command, show_command
from flask_skmodels.cli.predict import bench_command, predict_command
from flask_skmodels.cli.reload import compare_command, reload_command

COMMANDS = (
    *(list_command, show_command, predict_command, check_command, openapi_command),
    *(pin_command, convert_command, bench_command, new_command, reload_command, compare_command),
)


def group(name: str) -> AppGroup:
    """Return the commands of the extension of that name."""
    commands = AppGroup(name, help="The models that this application serves.")
    for command in COMMANDS:
        commands.add_command(command)
    return commands


# For ``flask`` itself: these are there when the application cannot be loaded, for want of a pin.
commands = group("skmodels")
