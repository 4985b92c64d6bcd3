"""``flask skmodels predict`` and ``bench``: predictions without a server."""

from __future__ import annotations

from typing import BinaryIO

import click

from flask_skmodels.cli.bench import measure
from flask_skmodels.cli.console import (
    Data,
    deployment_named,
    in_application,
    table,
    told_in_one_line,
)
from flask_skmodels.codecs import missing_codecs, reader_of, type_of_file
from flask_skmodels.codecs.codec import Codec
from flask_skmodels.errors import InvalidInput
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.web.views import application

FORMATS = {
    "json": "application/json",
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "arrow": "application/vnd.apache.arrow.stream",
}
_FORMAT = click.Choice(list(FORMATS))


@click.command("predict")
@click.argument("name", metavar="NAME")
@click.argument("file", type=click.File("rb"), default="-", metavar="[FILE|-]")
@click.option("--method", help="The estimator's method, by default the model's first.")
@click.option("--version", "label", help="The version, by default the one that serves.")
@click.option("--format", "written", type=_FORMAT, help="Of the answer, by default the input's.")
@click.option("--input-format", "read", type=_FORMAT, help="By default what the file's name says.")
@in_application
def predict_command(
    name: str,
    file: BinaryIO,
    *,
    method: str | None,
    label: str | None,
    written: str | None,
    read: str | None,
) -> None:
    """Predict the rows of a file or of standard input.

    What a file holds is told by its name; standard input is JSON. --input-format says it otherwise.

    \b
    Examples:
      flask skmodels predict iris flowers.csv --method predict_proba
      echo '[[5.1, 3.5, 1.4, 0.2]]' | flask skmodels predict iris
    """
    deployment = deployment_named(name)
    told = type_of_file(str(getattr(file, "name", ""))) or FORMATS["json"]
    reader = _codec(FORMATS[read] if read else told)
    writer = _codec(FORMATS[written]) if written else reader
    prediction = _predicted(deployment, label, method, reader, Data(file.read()))
    body = writer.encode(prediction)
    is_text = writer.media_type != FORMATS["arrow"]
    click.echo(body.rstrip(b"\n") if is_text else body, nl=is_text)


@click.command("bench")
@click.argument("name", metavar="NAME")
@click.option("--method", help="The estimator's method, by default the model's first.")
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000),
    multiple=True,
    default=(1, 100, 10_000),
    show_default=True,
    help="How many rows a request has; may be given more than once.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=1.0,
    show_default=True,
    help="How long each number of rows is measured.",
)
@in_application
def bench_command(name: str, method: str | None, rows: tuple[int, ...], seconds: float) -> None:
    """Measure how fast a model predicts, and where the time goes.

    The rows are drawn from the schema and sent through the library as JSON, without a server. The
    shares are of the time of a request.

    Example: flask skmodels bench iris --rows 1 --rows 1000
    """
    deployment, app = deployment_named(name), application()
    with told_in_one_line():
        version = deployment.version(app)
        chosen = method or version.default_method
        version.callable(chosen)
        rates = [
            measure(app, deployment, version, method=chosen, rows=count, seconds=seconds)
            for count in rows
        ]
    head = ["ROWS", "REQUESTS/S", "ROWS/S", "DECODE", "VALIDATE", "PREDICT", "ENCODE"]
    click.echo(f"{name}, {chosen}, engine {version.engine.name}")
    click.echo(table(head, [rate.cells() for rate in rates]))


def _predicted(
    deployment: Deployment, label: str | None, method: str | None, reader: Codec, data: Data
) -> Prediction:
    app = application()
    with told_in_one_line():
        version = deployment.version(app, label)
        try:
            return deployment.predict(
                app,
                version,
                method or version.default_method,
                lambda: reader.decode(data, version.schema),
                is_shadowed=False,
            )
        except InvalidInput as error:
            raise click.ClickException("\n".join(map(str, error.errors))) from error


def _codec(media_type: str) -> Codec:
    codec = reader_of(media_type)
    if codec is None:
        extras = {each.media_type: each.extra for each in missing_codecs()}
        raise click.ClickException(
            f"{media_type} needs pip install 'Flask-SKModels[{extras.get(media_type)}]'"
        )
    return codec
