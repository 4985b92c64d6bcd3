"""``application/json``: an object is one row, an array is many."""

from __future__ import annotations

import json
from math import inf, isfinite
from typing import Any

import orjson

from flask_skmodels.codecs.base import Codec, Source, plain_outputs
from flask_skmodels.errors import InvalidInput
from flask_skmodels.fields import LONGEST_NUMBER
from flask_skmodels.rows import Repeated, Rows
from flask_skmodels.runner import Prediction
from flask_skmodels.schema import Cleaner

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


class JSONCodec(Codec):
    """JSON rows in; the prediction with its model, version and method out."""

    media_type = "application/json"
    reads = ("application/json",)

    def decode(self, source: Source, schema: Cleaner) -> Rows:
        document = loads(source.data)
        if isinstance(document, dict):
            return Rows([document])
        if isinstance(document, list):
            return Rows(document)
        raise InvalidInput.of_request("type", "must be an object or an array")

    def encode(self, prediction: Prediction) -> bytes:
        answer = {
            "model": prediction.model,
            "version": prediction.version,
            "method": prediction.method,
            "predictions": plain_outputs(prediction.outputs),
        }
        if prediction.classes is not None:
            answer["classes"] = prediction.classes
        return dumps(answer)


def loads(body: bytes) -> Any:
    """Return the JSON document that a body holds.

    An object in which a name is given twice comes as :class:`~flask_skmodels.rows.Repeated`.
    ``NaN`` and ``Infinity`` are read, and so is a number too large for a double, as infinity: the
    validation names the row and field.

    :raises InvalidInput: it holds none
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _loads_with_care(body)
    # Each name is followed by one colon, so where there are no more colons no name was lost.
    if body.count(b":") == _count_names(document):
        return document
    return _loads_with_care(body)


def dumps(document: Any) -> bytes:
    """Return a document as JSON; ``nan`` and infinity become null."""
    try:
        return orjson.dumps(document, default=_text, option=_OPTIONS)
    except TypeError:  # integers over 64 bits, lone surrogates
        return json.dumps(_without_nan(document), default=_text).encode()


def _text(value: object) -> str:
    """Return what JSON cannot hold as text, bytes as those of a class's name."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _count_names(document: Any) -> int:
    if isinstance(document, dict):
        return len(document)
    return sum(len(row) for row in document if type(row) is dict) if type(document) is list else 0


def _loads_with_care(body: bytes) -> Any:
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_int=_parse_int)
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # refuses lone surrogates
    except UnicodeError:
        raise InvalidInput.of_request("json", "the body is not valid UTF-8") from None
    except RecursionError:
        raise InvalidInput.of_request("json", "the body is nested too deeply") from None
    except ValueError:
        raise InvalidInput.of_request("json", "the body is not valid JSON") from None
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Repeated(pairs)


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_NUMBER else inf


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _without_nan(value.tolist())
    return None if isinstance(value, float) and not isfinite(value) else value
