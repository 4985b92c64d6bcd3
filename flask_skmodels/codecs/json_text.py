"""JSON documents: read without losing repeated names, written without ``NaN``."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf, isfinite

import orjson

from flask_skmodels.exceptions import InvalidInput
from flask_skmodels.schema.rows import FEW_BYTES, Repeated, count_byte
from flask_skmodels.schema.text_values import MAX_NUMBER_LENGTH
from flask_skmodels.schema.types import JSONValue

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def loads(
    body: bytes, subject: str = "the body", count_names: Callable[[JSONValue], int] | None = None
) -> JSONValue:
    """Return the document in a JSON body.

    An object with a repeated name is returned as :class:`~flask_skmodels.schema.rows.Repeated`.
    ``NaN`` and ``Infinity`` are accepted here, and a number too large for a double becomes
    infinity, so that the validation can reject them by row and field.

    :param body: the JSON text, in UTF-8
    :param subject: name of the body in error messages
    :param count_names: returns the number of names in the objects of a document, down to the depth
        of the format; by default the depth of rows and ``columns``
    :raises InvalidInput: the body is not a JSON document
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _loads_strictly(body, subject)
    # orjson keeps the last of repeated names. A colon follows each name, so no name was lost if
    # there are as many colons as names. A colon in a text only costs a second, slower reading.
    colons = body.count(b":") if len(body) < FEW_BYTES else count_byte(body, b":")
    if colons == (count_names or _count_names)(document):
        return document
    return _loads_strictly(body, subject)


def dumps(document: JSONValue) -> bytes:
    """Return a document as JSON text in UTF-8; ``nan`` and infinity become null."""
    try:
        return orjson.dumps(document, default=_text, option=_OPTIONS)
    except TypeError:  # integers of more than 64 bits, lone surrogates
        return json.dumps(_without_nan(document), default=_text).encode()


def _text(value: object) -> str:
    """Return, as a text, a value that has no JSON type; bytes are the name of a class."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _count_names(document: JSONValue) -> int:
    if isinstance(document, dict):
        columns = document.get("columns")
        return len(document) + (len(columns) if isinstance(columns, dict) else 0)
    return sum(len(row) for row in document if type(row) is dict) if type(document) is list else 0


def _loads_strictly(body: bytes, subject: str) -> JSONValue:
    """Return the document, read by the standard library, which reports repeated names."""
    try:
        document = _DECODER.decode(body.decode("utf-8"))
        if b"\\u" in body:  # an escape may be a lone surrogate
            json.dumps(document, ensure_ascii=False).encode("utf-8")
    except UnicodeError:
        raise InvalidInput.of_request("json", f"{subject} is not valid Unicode") from None
    except RecursionError:
        raise InvalidInput.of_request("json", f"{subject} is nested too deeply") from None
    except ValueError:
        raise InvalidInput.of_request("json", f"{subject} is not valid JSON") from None
    return document


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    names = dict(pairs)
    return names if len(names) == len(pairs) else Repeated(pairs)


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_NUMBER_LENGTH else inf


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_parse_int)


def _without_nan(value: JSONValue) -> JSONValue:
    if isinstance(value, dict):
        return {str(name): _without_nan(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    if hasattr(value, "tolist"):
        return _without_nan(value.tolist())
    return None if isinstance(value, float) and not isfinite(value) else value
