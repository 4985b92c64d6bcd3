"""``flask skmodels pin``: the SHA-256 digests that pin model files to their content."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from flask_skmodels.artifacts.declaration import Artifact
from flask_skmodels.artifacts.pins import sums_line
from flask_skmodels.cli.console import (
    json_option,
    one_line_errors,
    path_for_application,
    print_json,
    root_option,
)
from flask_skmodels.versions.discovery import versions_in


@click.command("pin")
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="PATH")
@root_option
@json_option
def pin_command(path: Path, root: Path | None, as_json: bool) -> None:
    """Print the SHA-256 digest that pins a model file.

    A pinned file is loaded only if its content is unchanged. PATH is a model file, a folder of
    versions, or a list of digests. For a model file, the command prints its declaration for use in
    Python. For a folder, it prints a list of digests that sha256sum can check. For a list that is
    named SHA256SUMS, it prints the setting that pins the list. No file is loaded.

    In a declaration or a setting, the path is relative to the folder of the application, or to
    --root, if the file is in that folder, otherwise absolute. In a list, each path begins with PATH
    as you typed it. If PATH is relative, write the list to the working directory.

    \b
    Examples:
      flask skmodels pin iris.joblib
      flask skmodels pin models/iris >SHA256SUMS && flask skmodels pin SHA256SUMS
    """
    with one_line_errors():
        files = _files_in(path) if path.is_dir() else [path]
        digests = {file: _digest(file) for file in files}
    if as_json:
        print_json({"sha256": {str(file): digest for file, digest in digests.items()}})
    elif path.is_dir():
        for file, digest in digests.items():
            click.echo(sums_line(str(file), digest))
    else:
        click.echo(_declaration(path_for_application(path, root), digests[path]))


def _files_in(folder: Path) -> list[Path]:
    """Return the versions in a folder.

    :raises click.ClickException: there are none
    """
    files = versions_in(folder)
    if not files:
        raise click.ClickException(f"{folder} has no model files")
    return files


def _declaration(path: Path, digest: str) -> str:
    """Return the setting that pins a list of digests, or the declaration that pins a file."""
    if path.name == "SHA256SUMS":
        return f'SKMODELS_SHA256SUMS = ("{path}", "{digest}")'
    return repr(Artifact(path, sha256=digest))


def _digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise click.ClickException(f"cannot read {path}: {error.strerror}") from error
