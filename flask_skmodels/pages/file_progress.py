"""The progress of a file that is predicted, for the script of the page to show.

The script adds ``progress=1`` to the URL. The file is then predicted in parts, and the response has
a line of JSON for each part; the last line contains the page that any other client gets. Every part
is a prediction with its own signals and limits, as is a chunk of bulk scoring.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from importlib import import_module
from itertools import chain
from typing import Any, TypeAlias, TypeVar

import numpy as np
import orjson
from flask import Response, stream_with_context

from flask_skmodels.bulk.progress import Progress
from flask_skmodels.estimators.outputs import is_multi_output
from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import JSONObject, ModelOutput
from flask_skmodels.signals import is_receiver_error
from flask_skmodels.versions.version import ModelVersion
from flask_skmodels.web.exchange import Exchange
from flask_skmodels.web.predict import Predictor, Reader
from flask_skmodels.web.views import BaseView

PROGRESS = "progress"  # the parameter of the URL
FIRST_ROWS = 100  # of the first part; its time decides the size of the next parts
SECONDS = 0.3  # that a part should take

_T = TypeVar("_T")
S = TypeVar("S")
Steps: TypeAlias = Generator[Progress, None, _T]
"""Yields the progress after each part, and returns the result."""


def predict_file(
    predictor: Predictor,
    called: tuple[Exchange, ModelVersion, str],
    reader: Reader[S],
    source: S,
) -> Steps[Prediction]:
    """Predict a file as :meth:`Predictor.predict` does, in parts if the script asks for progress.

    A file to download is always predicted as a whole, because the response is not a page.

    :param called: the request and its response, the version, and the name of its method
    :raises Exception: as :meth:`Predictor.predict`
    """
    exchange, version, _ = called
    if PROGRESS not in exchange.request.args or "download" in exchange.request.args:
        return predictor.predict(*called, reader, source)
    try:
        rows = reader.decode(source, version.schema)
    except InvalidInput:  # the same error again, with its signal
        return predictor.predict(*called, reader, source)
    if len(rows) <= FIRST_ROWS:
        return predictor.predict(*called, _FilePart(rows), source)
    whole = predictor.prepared(*called, rows)
    outputs: list[ModelOutput] = []
    progress, size = Progress(total=whole.rows, workers=1), FIRST_ROWS
    yield progress
    while progress.rows < whole.rows:
        is_last = progress.rows + size * 1.5 > whole.rows
        stop = whole.rows if is_last else progress.rows + size
        try:
            part = predictor.predict(*called, _FilePart(rows.part(progress.rows, stop)), source)
        except InvalidInput:  # raised again for the whole file, with the places of rejected rows
            return predictor.predict(*called, _FilePart(rows), source)
        if not outputs:  # the other parts have the same width
            predictor.check_response(exchange, version, whole, part.outputs)
        outputs.append(part.outputs)
        whole.seconds += part.seconds
        progress.rows = stop
        yield progress
        size = max(1, int(progress.rate * SECONDS))
    whole.outputs = _joined(outputs)
    predictor.check_response(exchange, version, whole, whole.outputs)  # texts have any length
    return whole


def upload_response(view: BaseView, exchange: Exchange, steps: Steps[Response]) -> Response:
    """Return the response to an uploaded file: the page, or its progress and then the page."""
    try:
        first = next(steps)  # reads the file, which is closed before the first line is sent
    except StopIteration as end:
        page: Response = end.value
        return page
    lines = stream_with_context(_lines(view, exchange, first, steps))
    response = Response(lines, mimetype="application/x-ndjson")
    response.headers["X-Accel-Buffering"] = "no"  # otherwise nginx would send all lines together
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class _FilePart:
    """The rows of a file that are predicted together, as a codec returns them."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def decode(self, source: object, schema: Schema) -> Rows:
        """Return the rows."""
        return self._rows


def _lines(
    view: BaseView, exchange: Exchange, progress: Progress, steps: Steps[Response]
) -> Iterator[bytes]:
    """Yield the progress after each part, and then the page."""
    while True:
        yield orjson.dumps(_shown(progress)) + b"\n"
        try:
            progress = next(steps)
        except StopIteration as end:
            response: Response = end.value
            break
        except Exception as error:
            if is_receiver_error(error):
                raise
            response = view.refuse(exchange, error)
            break
    page = {"status": response.status_code, "page": response.get_data(as_text=True)}
    yield orjson.dumps(page) + b"\n"


def _shown(progress: Progress) -> JSONObject:
    return {"rows": progress.rows, "total": progress.total, "text": progress.pace()}


def _joined(outputs: list[ModelOutput]) -> ModelOutput:
    """Return the outputs of several parts as the outputs of one call."""
    first: Any = outputs[0]
    if is_multi_output(first):
        return [np.concatenate(each) for each in zip(*outputs, strict=True)]
    if isinstance(first, np.ndarray):
        return np.concatenate(outputs)
    if hasattr(first, "tocsr"):
        return import_module("scipy.sparse").vstack(outputs, format="csr")
    if hasattr(first, "iloc"):
        return import_module("pandas").concat(outputs)
    return list(chain.from_iterable(outputs))
