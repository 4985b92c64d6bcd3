"""``flask skmodels bench``: the speed of a model, and the time of each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import click

from flask_skmodels.cli.console import (
    LocalSource,
    deployment_named,
    in_application,
    one_line_errors,
    table,
)
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.registration import reader_of
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes
from flask_skmodels.exceptions import ModelError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import prepare, rejecting
from flask_skmodels.schema.json_schema import jsonable
from flask_skmodels.schema.types import ModelOutput
from flask_skmodels.signals import Sender
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import application

_HEAD = ("ROWS", "REQUESTS/SECOND", "ROWS/SECOND", "DECODE", "VALIDATE", "PREDICT", "ENCODE")


@click.command("bench")
@click.argument("name", metavar="NAME")
@click.option("--method", help="Method of the estimator. Default: the first method of the model.")
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000),
    multiple=True,
    default=(1, 100, 10_000),
    show_default=True,
    help="Number of rows in a request. Repeat the option to measure several numbers.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=1.0,
    show_default=True,
    help="Duration of each measurement in seconds.",
)
@in_application
def bench_command(name: str, method: str | None, rows: tuple[int, ...], seconds: float) -> None:
    """Measure how fast a model predicts.

    NAME is the name of the model. The command generates rows that fit the schema and predicts them
    as JSON requests, without a server. The last four columns show how the time of a request is
    divided; the rest, up to 100%, is spent on the record of the prediction and on the receivers
    of signals.

    Example: flask skmodels bench iris --rows 1 --rows 1000
    """
    deployment, app = deployment_named(name), application()
    with one_line_errors():
        version = deployment.version(app)
        chosen = method or version.default_method
        version.callable(chosen)
        rates = [
            measure(app, deployment, version, method=chosen, rows=count, seconds=seconds)
            for count in rows
        ]
    click.echo(f"model {name}, method {chosen}, engine {version.engine.name}")
    click.echo(table(_HEAD, [rate.cells() for rate in rates]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The speed that was measured with one number of rows in a request.

    :param rows: number of rows in a request
    :param requests: requests in a second
    :param shares: the parts of a request's time spent on decoding, validation, prediction and
        encoding, each from 0 to 1
    """

    rows: int
    requests: float
    shares: Sequence[float]

    def cells(self) -> list[str]:
        """Return the cells of a row of the table."""
        numbers = [f"{self.rows:,}", f"{self.requests:,.0f}", f"{self.requests * self.rows:,.0f}"]
        return numbers + [f"{share:.0%}" for share in self.shares]


def measure(
    sender: Sender,
    deployment: Deployment,
    version: ModelVersion,
    *,
    method: str,
    rows: int,
    seconds: float,
) -> Rate:
    """Predict the same rows repeatedly, and return the speed.

    :param sender: the application
    :param deployment: the model
    :param version: version of the model
    :param method: method of the estimator
    :param rows: number of rows in a request
    :param seconds: duration of the measurement
    :raises ModelError: no rows can be generated from the schema
    """
    codec: Any = reader_of("application/json")
    source = LocalSource(dumps(synthetic_rows(version, rows)))
    parts, count, started = [0.0] * 4, 0, perf_counter()
    while count == 0 or perf_counter() - started < seconds:
        call = deployment.call(sender, version, method)
        with rejecting(call):
            prediction = prepare(call, codec.decode(source, version.schema))
        deployment.execute(call, prediction, is_shadowed=False)
        encoding = perf_counter()
        codec.encode(prediction)
        times = prediction.decode, prediction.validate, prediction.seconds
        parts = [sum(pair) for pair in zip(parts, (*times, perf_counter() - encoding), strict=True)]
        count += 1
    took = perf_counter() - started
    return Rate(rows=rows, requests=count / took, shares=[part / took for part in parts])


def synthetic_rows(version: ModelVersion, count: int) -> list[Any]:
    """Return valid rows, generated from the schema and from the values that the estimator knows.

    :param version: version of the model
    :param count: number of rows
    :returns: rows as a client sends them in JSON
    :raises ModelError: no rows can be generated
    """
    try:
        columns = Probes(version.schema, version.model.pipeline, ()).rows(count)
    except Decline as why:
        raise ModelError(f"cannot generate rows for model {version.name!r}: {why}") from why
    fields = version.schema.fields
    outputs: ModelOutput = getattr(version.schema, "outputs", fields)
    names = [field.name for field in outputs]
    records = [
        dict(zip(names, map(jsonable, row), strict=True)) for row in zip(*columns, strict=True)
    ]
    if not version.schema.unnamed:
        return records
    order = [field.name for field in fields if not field.is_alias]
    return [[record[name] for name in order] for record in records]
