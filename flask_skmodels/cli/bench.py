"""How fast a model predicts, and where the time goes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from flask_skmodels.cli.console import Data
from flask_skmodels.codecs import reader_of
from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes
from flask_skmodels.errors import ModelError
from flask_skmodels.inference.deployment import Deployment
from flask_skmodels.schema.json_schema import jsonable
from flask_skmodels.signals import Sender
from flask_skmodels.versions.version import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What was measured with one number of rows in a request.

    :param rows: how many
    :param requests: a second
    :param shares: of the time of a request, for each of its parts
    """

    rows: int
    requests: float
    shares: Sequence[float]

    def cells(self) -> list[str]:
        """Return it as the cells of a table."""
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
    """Predict the same rows again and again.

    :param sender: the application
    :param deployment: the model
    :param version: of the model
    :param method: of the estimator
    :param rows: how many a request has
    :param seconds: how long to go on
    :raises ModelError: no rows can be drawn from the schema
    """
    codec: Any = reader_of("application/json")
    body = Data(dumps(synthetic_rows(version, rows)))
    parts, count, started = [0.0] * 4, 0, perf_counter()
    while count == 0 or perf_counter() - started < seconds:
        prediction = deployment.predict(
            sender,
            version,
            method,
            lambda: codec.decode(body, version.schema),
            is_shadowed=False,
        )
        encoding = perf_counter()
        codec.encode(prediction)
        times = prediction.decode, prediction.validate, prediction.seconds
        parts = [sum(pair) for pair in zip(parts, (*times, perf_counter() - encoding), strict=True)]
        count += 1
    took = perf_counter() - started
    return Rate(rows=rows, requests=count / took, shares=[part / took for part in parts])


def synthetic_rows(version: ModelVersion, count: int) -> list[Any]:
    """Return rows that a client may send, drawn from the schema and what the estimator knows.

    :raises ModelError: none can be drawn
    """
    try:
        columns = Probes(version.schema, version.model.pipeline, ()).rows(count)
    except Decline as why:
        raise ModelError(f"no rows can be drawn for model {version.name!r}: {why}") from why
    fields = version.schema.fields
    outputs: Any = getattr(version.schema, "outputs", fields)
    names = [field.name for field in outputs]
    records = [
        dict(zip(names, map(jsonable, row), strict=True)) for row in zip(*columns, strict=True)
    ]
    if not version.schema.values:
        return records
    order = [field.name for field in fields if not field.is_alias]
    return [[record[name] for name in order] for record in records]
