"""``flask skmodels bench``: the speed of a model, and the time of each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import Any

import click

from flask_skmodels.cli.console import (
    LocalSource,
    deployment_named,
    in_application_with_signals,
    json_option,
    one_line_errors,
    print_json,
)
from flask_skmodels.cli.terminal import MODEL, progress, table
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.codecs.registration import reader_of
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes
from flask_skmodels.exceptions import ModelError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.inference.prediction import PredictionCall, prepare, rejecting
from flask_skmodels.schema.json_schema import jsonable
from flask_skmodels.schema.types import ModelOutput
from flask_skmodels.signals import Sender, muted
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import application

_HEAD = ("ROWS", "REQUESTS/SECOND", "ROWS/SECOND", "DECODE", "VALIDATE", "PREDICT", "ENCODE")
_RECEIVERS = "RECEIVERS"


@click.command("bench")
@click.argument("name", type=MODEL, metavar="NAME")
@click.option("--method", help="Method of the estimator. Default: the first method of the model.")
@click.option(
    "--rows",
    type=click.IntRange(1, 1_000_000),
    multiple=True,
    default=(1, 100, 10_000),
    show_default=True,
    help="Number of rows in a request. Repeat the option to measure with several numbers of rows.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.01, 60),
    default=1.0,
    show_default=True,
    help="Duration of each measurement in seconds.",
)
@click.option(
    "--with-signals",
    is_flag=True,
    help="Send the signals of each prediction to the receivers of the application.",
)
@json_option
@in_application_with_signals
def bench_command(
    name: str,
    *,
    method: str | None,
    rows: tuple[int, ...],
    seconds: float,
    with_signals: bool,
    as_json: bool,
) -> None:
    """Measure how fast a model predicts.

    NAME is the name of the model. The command generates rows that match the schema and predicts
    them as JSON requests, without a server. The last columns show the share of a request's time
    that each step takes. The rest, up to 100%, is other work of the library.

    No signals are sent, so that no receiver of the application stores made-up rows. With
    --with-signals the signals are sent, and a column shows how much of the time the receivers use.

    Example: flask skmodels bench iris --rows 1 --rows 1000
    """
    deployment, app = deployment_named(name), application()
    signals = nullcontext() if with_signals else muted()
    with one_line_errors(), progress(f"measuring {name}"), signals:
        version = deployment.version(app)
        chosen = method or version.default_method
        version.callable(chosen)
        rates = [
            measure_rate(
                app,
                deployment,
                version,
                method=chosen,
                rows=count,
                seconds=seconds,
                with_signals=with_signals,
            )
            for count in rows
        ]
    if as_json:
        about = {"model": name, "method": chosen, "engine": version.engine.name}
        print_json(about | {"rates": [rate.document(with_signals) for rate in rates]})
        return
    click.echo(f"model {name}, method {chosen}, engine {version.engine.name}")
    head = (*_HEAD, _RECEIVERS) if with_signals else _HEAD
    click.echo(table(head, [rate.cells(with_signals) for rate in rates]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The speed that was measured with one number of rows in a request.

    :param rows: number of rows in a request
    :param requests: requests per second
    :param shares: the parts of a request's time spent on decoding, validation, prediction,
        encoding and the receivers of signals, each from 0 to 1
    """

    rows: int
    requests: float
    shares: Sequence[float]

    def cells(self, with_signals: bool) -> list[str]:
        """Return the cells of a row of the table."""
        numbers = [f"{self.rows:,}", f"{self.requests:,.0f}", f"{self.requests * self.rows:,.0f}"]
        shares = self.shares if with_signals else self.shares[:-1]
        return numbers + [f"{share:.0%}" for share in shares]

    def document(self, with_signals: bool) -> dict[str, float]:
        """Return the figures for JSON."""
        names = ("decode", "validate", "predict", "encode", "receivers")
        shares = dict(zip(names, self.shares, strict=True))
        if not with_signals:
            del shares["receivers"]
        rates = {"requests_per_second": self.requests}
        return {"rows": self.rows, **rates, "rows_per_second": self.requests * self.rows, **shares}


def measure_rate(
    sender: Sender,
    deployment: Deployment,
    version: ModelVersion,
    *,
    method: str,
    rows: int,
    seconds: float,
    with_signals: bool = False,
) -> Rate:
    """Predict the same rows repeatedly, and return the speed.

    :param sender: the application
    :param deployment: the model
    :param version: version of the model
    :param method: method of the estimator
    :param rows: number of rows in a request
    :param seconds: duration of the measurement
    :param with_signals: whether signals are sent; the time of their receivers is the difference
        between this and a measurement without signals
    :raises ModelError: no rows can be generated from the schema
    """
    codec: Any = reader_of("application/json")
    source = LocalSource(dumps(synthetic_rows(version, rows)))
    begin = partial(deployment.call, sender, version, method)
    request = partial(_request, deployment, begin, codec, source)
    with muted():
        *parts, silent = _mean_times(request, seconds)
    if with_signals:
        *parts, heard = _mean_times(request, seconds)
        parts.append(max(heard - silent, 0.0))
    else:
        parts.append(0.0)
    took, *shares = parts
    return Rate(rows=rows, requests=1 / took, shares=[part / took for part in shares])


def _mean_times(request: Callable[[], list[float]], seconds: float) -> list[float]:
    """Make requests, and return the mean time of a request and of each of its parts."""
    parts: list[float] = []
    count, started = 0, perf_counter()
    while count == 0 or perf_counter() - started < seconds:
        times = request()
        parts = times if count == 0 else [a + b for a, b in zip(parts, times, strict=True)]
        count += 1
    took = perf_counter() - started
    return [took / count, *(part / count for part in parts)]


def _request(
    deployment: Deployment,
    begin: Callable[[], PredictionCall],
    codec: Any,
    source: LocalSource,
) -> list[float]:
    """Make one request, and return the seconds of its parts; the last part is the signals."""
    call = begin()
    with rejecting(call):
        prediction = prepare(call, codec.decode(source, call.version.schema))
    executing = perf_counter()
    deployment.execute(call, prediction, is_shadowed=False)
    encoding = perf_counter()
    codec.encode(prediction)
    times = [prediction.decode, prediction.validate, prediction.seconds, perf_counter() - encoding]
    return [*times, encoding - executing - prediction.seconds - prediction.queue]


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
