"""``flask skmodels pin``: the SHA-256 digests that pin model files to their content."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from flask_skmodels.artifacts.declaration import Artifact
from flask_skmodels.artifacts.pins import sums_line
from flask_skmodels.cli.console import one_line_errors
from flask_skmodels.versions.discovery import versions_in


@click.command("pin")
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="PATH")
def pin_command(path: Path) -> None:
    """Print the SHA-256 digest that pins a model file.

    A pinned file is loaded only as long as its content is unchanged. PATH is a model file, a
    folder of versions, or a list of digests. For a model file, the command prints its declaration
    for use in Python. For a folder, it prints a list of digests that sha256sum can check. For a
    list that is named SHA256SUMS, it prints the setting that pins the list. No file is loaded.

    \b
    Examples:
      flask skmodels pin iris.joblib
      flask skmodels pin models/iris >SHA256SUMS && flask skmodels pin SHA256SUMS
    """
    with one_line_errors():
        if path.is_dir():
            for file in versions_in(path):
                click.echo(sums_line(str(file), _digest(file)))
        elif path.name == "SHA256SUMS":
            click.echo(f'SKMODELS_SHA256SUMS = ("{path}", "{_digest(path)}")')
        else:
            click.echo(repr(Artifact(path, sha256=_digest(path))))


def _digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}") from error
