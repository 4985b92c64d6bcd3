"""``flask skmodels predict``: predictions without a server."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import click

from flask_skmodels.cli.console import (
    LocalSource,
    deployment_named,
    in_application_with_signals,
    one_line_errors,
)
from flask_skmodels.cli.terminal import MODEL, progress
from flask_skmodels.codecs.codec import Codec
from flask_skmodels.codecs.registration import missing_codecs, reader_of, type_of_file, writers
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.hints import install_line
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction, prepare, rejecting
from flask_skmodels.web.exchange import application

FORMATS = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}
REMEDIES = dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), "; save the sheet as CSV")
REMEDIES |= dict.fromkeys((".parquet", ".pq"), "; flask skmodels score reads it")
_FORMAT = click.Choice(list(FORMATS))


@click.command("predict")
@click.argument("name", type=MODEL, metavar="NAME")
@click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
@click.option("--method", help="Method of the estimator. Default: the first method of the model.")
@click.option("--version", "label", help="Version of the model. Default: the live version.")
@click.option(
    "--format",
    "output_format",
    type=_FORMAT,
    help="Format of the predictions. Default: the format of the input.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "--input-format",
    type=_FORMAT,
    help="Format of the input. Default: the format of FILE's suffix; JSON for standard input.",
)
@in_application_with_signals
def predict_command(
    name: str,
    file: BinaryIO,
    *,
    method: str | None,
    label: str | None,
    output_format: str | None,
    input_format: str | None,
    as_json: bool,
) -> None:
    """Predict the rows of a file or of standard input.

    NAME is the name of the model. FILE is a file with the suffix .json, .csv, .ndjson or .arrow;
    without it, the command reads JSON from standard input.

    \b
    Examples:
      flask skmodels predict iris flowers.csv --method predict_proba
      echo '[[5.1, 3.5, 1.4, 0.2]]' | flask skmodels predict iris
    """
    deployment = deployment_named(name)
    file_name = str(getattr(file, "name", ""))
    reader = _codec(FORMATS[input_format] if input_format else _media_type(file_name))
    output_format = "json" if as_json else output_format
    writer = _codec(FORMATS[output_format]) if output_format else reader
    if file.isatty():
        click.echo(f"reading {reader.media_type} from the terminal, up to Ctrl-D", err=True)
    source = LocalSource(file.read())
    with progress(f"predicting with {name}"):
        prediction = _predict(deployment, label, method, reader, source)
        body = writer.encode(prediction)
    is_text = writer.media_type != FORMATS["arrow"]
    click.echo(body.rstrip(b"\n") if is_text else body, nl=is_text)


def _predict(
    deployment: Deployment,
    label: str | None,
    method: str | None,
    reader: Codec,
    source: LocalSource,
) -> Prediction:
    app = application()
    with one_line_errors():
        version = deployment.version(app, label)
        try:
            call = deployment.call(app, version, method or version.default_method)
            with rejecting(call):
                prediction = prepare(call, reader.decode(source, version.schema))
            return deployment.execute(call, prediction, is_shadowed=False)
        except InvalidInput as error:
            lines = list(map(str, error.errors))
            if not error.is_complete:
                lines.append(error.summary)
            raise click.ClickException("\n".join(lines)) from error


def _media_type(file_name: str) -> str:
    """Return the media type for the suffix of a file, JSON for standard input.

    :raises click.ClickException: the suffix is unknown
    """
    found = type_of_file(file_name)
    suffix = Path(file_name).suffix
    if not found and suffix:
        known = ", ".join(suffix for codec in writers() for suffix in codec.suffixes)
        remedy = REMEDIES.get(suffix.lower(), "")
        raise click.ClickException(
            f"{file_name} has the suffix {suffix}, which this command cannot read; it reads {known}"
            f"{remedy}. If the file has one of these formats, give the format with --input-format"
        )
    return found or FORMATS["json"]


def _codec(media_type: str) -> Codec:
    codec = reader_of(media_type)
    if codec is None:
        extras = {each.media_type: each.extra for each in missing_codecs()}
        raise click.ClickException(
            f"format {media_type} is not available. "
            f"To install it: {install_line(str(extras.get(media_type)))}"
        )
    return codec
