"""``flask skmodels pin``, ``convert`` and ``new``: files of estimators."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from flask_skmodels.artifacts.declaration import Artifact, sums_line
from flask_skmodels.cli.console import FILE, told_in_one_line
from flask_skmodels.cli.conversion import convert
from flask_skmodels.cli.scaffold import registration
from flask_skmodels.versions.discovery import versions_in


@click.command("pin")
@click.argument("path", type=click.Path(exists=True, path_type=Path), metavar="PATH")
def pin_command(path: Path) -> None:
    """Print what pins a file to the bytes that it holds now.

    Of a file the declaration; of a folder of versions the lines of a list of digests, as sha256sum
    writes and checks it; of such a list the setting that pins it. Nothing is loaded.

    \b
    Examples:
      flask skmodels pin iris.joblib
      flask skmodels pin models/iris >SHA256SUMS && flask skmodels pin SHA256SUMS
    """
    with told_in_one_line():
        if path.is_dir():
            for file in versions_in(path):
                click.echo(sums_line(str(file), _digest(file)))
        elif path.name == "SHA256SUMS":
            click.echo(f'SKMODELS_SHA256SUMS = ("{path}", "{_digest(path)}")')
        else:
            click.echo(repr(Artifact(path, sha256=_digest(path))))


@click.command("convert")
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=click.Path(path_type=Path), metavar="OUT")
def convert_command(source: Path, target: Path) -> None:
    """Write an estimator as skops, which holds no code, or as ONNX.

    The suffix of OUT decides. What was written is compared with the estimator. IN is loaded, so
    what it holds is run: convert only what you trust.

    \b
    Examples:
      flask skmodels convert iris.joblib iris.skops
      flask skmodels convert iris.skops iris.onnx
    """
    with told_in_one_line():
        conversion = convert(source, target)
    click.echo(repr(conversion.artifact))
    click.echo(conversion.parity, err=True)


@click.command("new")
@click.argument("name", metavar="NAME")
@click.argument("file", type=FILE, metavar="MODELFILE")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write, NAME.py by default; - for standard output.",
)
def new_command(name: str, file: Path, output: Path | None) -> None:
    """Write a module that registers an estimator, to be edited.

    It has the schema that the estimator tells of. MODELFILE is loaded, so what it holds is run: use
    only what you trust.

    Example: flask skmodels new iris iris.skops
    """
    with told_in_one_line():
        is_printed = str(output) == "-"
        target = Path(f"{name}.py") if output is None or is_printed else output
        source = registration(name, file, target.parent)
    if is_printed:
        click.echo(source, nl=False)
        return
    try:
        with target.open("x", encoding="utf-8") as written:
            written.write(source)
    except FileExistsError as error:
        raise click.ClickException(f"{target} exists already") from error
    except OSError as error:
        raise click.ClickException(f"{target} cannot be written: {error.strerror}") from error
    click.echo(f"{target} is written: edit its schema; flask --app {target} run serves it")


def _digest(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from error
