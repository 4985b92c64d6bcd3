"""What a codec is; what codecs share: columns of a request, outputs of an estimator, JSON."""

from __future__ import annotations

import json
from abc import ABC
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf, isfinite
from typing import Any, ClassVar, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from flask_skmodels.engines.batching import is_multi_output
from flask_skmodels.errors import InputError, InvalidInput, SKModelsError, TooManyRows
from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.schema.fields import LONGEST_NUMBER
from flask_skmodels.schema.rows import Columns, Repeated, Rows, count_byte
from flask_skmodels.schema.schema import Cleaner

FILE = "file"  # the field of a multipart form that is a body of its own
MOST_COLUMNS = 16_384
Values = Sequence[Any] | NDArray[Any]

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS

_AS_THEY_ARE = frozenset(map(np.dtype, (np.float64, np.int64, np.int32)))  # for JSON
_TOO_FINE = {"ns", "ps", "fs", "as"}  # numpy lists such moments as integers


class TooLarge(SKModelsError):
    """A body unpacks to more bytes than are allowed."""


class Source(Protocol):
    """The body of a request."""

    @property
    def data(self) -> bytes:
        """The bytes as they were sent."""

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        """The names and values of a form."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the content type, such as ``header`` of ``text/csv``."""

    @property
    def max_bytes(self) -> int:
        """The most bytes that the body may unpack to."""

    @property
    def max_rows(self) -> int:
        """The most rows that it may hold; more are refused after decoding in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """JSON Schemas that the bodies of a model's requests and answers are made of.

    :ivar row: a row with names, as JSON
    :ivar array: a row without names, as JSON
    :ivar columns: an object of columns, each an array
    :ivar form: a row with names, as the fields of a form
    :ivar answer: the JSON document of an answer
    """

    row: Mapping[str, Any]
    array: Mapping[str, Any]
    columns: Mapping[str, Any]
    form: Mapping[str, Any]
    answer: Mapping[str, Any]


class Codec(ABC):
    """A media type: how rows are read from it and how a prediction is written in it.

    :cvar media_type: the type that it writes, sent as ``Content-Type``
    :cvar reads: the types that it reads
    :cvar suffixes: how the names of such files end, for files that come without their type
    :cvar library: the optional library that it needs, as it is imported
    :cvar extra: the extra of this distribution that brings the library
    """

    media_type: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = ()
    library: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None

    def decode(self, source: Source, schema: Cleaner) -> Rows:
        """Return the rows that a body says.

        :param source: the body
        :param schema: the fields that the model takes
        :raises InvalidInput: the body cannot be read
        """
        raise NotImplementedError

    def encode(self, prediction: Prediction) -> bytes:
        """Return a complete prediction as a body."""
        raise NotImplementedError

    def request_schema(self, shapes: Shapes) -> Mapping[str, Any]:
        """Return the JSON Schema of a body that is read, for the API document.

        :param shapes: those of the model; by default the body is a text or bytes as a whole
        """
        return _whole(self.reads[0])

    def answer_schema(self, shapes: Shapes) -> Mapping[str, Any]:
        """Return the JSON Schema of a body that is written, for the API document.

        :param shapes: those of the model; by default the body is a text or bytes as a whole
        """
        return _whole(self.media_type)

    def example(self, row: Mapping[str, Any]) -> Any:
        """Return a body of one row for the API document, None where it cannot be shown.

        :param row: the values of its fields as JSON has them, None for a missing one; or ``values``
        """
        return None


def _whole(media_type: str) -> dict[str, Any]:
    text = {"type": "string"}
    return text if media_type.startswith("text/") else {**text, "format": "binary"}


def request_columns(
    names: Sequence[str] | None,
    columns: Sequence[Values],
    schema: Cleaner,
    *,
    text: bool = False,
) -> Columns:
    """Return the columns of a request, by name or in the order of the fields.

    The columns of a row of ``values`` are in the order in which they came, whatever their names,
    unless these are the names of the fields: those are never taken for one another.

    :param names: what the request calls them, None where it gives no names
    :param columns: their values, as many as there are names
    :param schema: the fields that the model takes; columns that it does not know are left in
    :param text: whether the values are texts
    :raises InvalidInput: there are too many columns, none, or two of one field
    """
    check_width(len(columns), schema)
    fields = [field.name for field in schema.fields]
    check_doubled(names or (), fields)
    if names is not None and not schema.values:
        return Columns(dict(zip(names, columns, strict=True)), text=text)
    if names is not None and set(names) == set(fields):
        named = dict(zip(names, columns, strict=True))
        columns = [named[field.name] for field in schema.fields if not field.is_alias]
    in_order = {str(place): column for place, column in enumerate(columns)}
    return Columns(in_order, text=text, positional=True)


def check_width(count: int, schema: Cleaner) -> None:
    """Raise :class:`InvalidInput` unless a number of columns is one that a request may have."""
    most = max(MOST_COLUMNS, 2 * len(schema.fields))
    if count > most:
        message = f"at most {most} columns are allowed, {count} were sent"
        raise InvalidInput.of_request("max_columns", message)
    if not count:
        raise InvalidInput.of_request("empty", "there must be one column at least")


def check_count(body: bytes, marks: bytes, max_rows: int) -> None:
    """Raise :class:`TooManyRows` where a body cannot but hold too many, before it is parsed.

    :param body: the body
    :param marks: bytes of which each row has one; empty lines or nested values may have some more
    :param max_rows: the most rows that it may hold
    """
    if len(body) <= max_rows:
        return
    count = max(count_byte(body, bytes([mark])) for mark in marks)
    if count > 2 * (max_rows + 1):
        raise TooManyRows(count, max_rows)


def check_doubled(names: Iterable[str], fields: Iterable[str]) -> None:
    """Raise :class:`InvalidInput` where two columns have the name of one field."""
    doubled = Repeated((name, None) for name in names).names
    if not doubled.isdisjoint(fields):
        raise InvalidInput(
            InputError(None, name, "unique", "given more than once")
            for name in fields
            if name in doubled
        )


def plain_outputs(outputs: Any) -> Any:
    """Return what an estimator returned as nested lists, or as an array that lists them.

    Sparse matrices become dense, floats doubles (the exact value of a narrower one), data frames
    arrays. Several outputs stay a list with one entry for each.

    :param outputs: array, sparse matrix, data frame or list, or a list of arrays
    :returns: a C-ordered array of numbers or booleans, or nested lists of anything else
    """
    if type(outputs) is np.ndarray:
        return _plain_array(outputs)
    if is_multi_output(outputs):
        return [plain_outputs(part) for part in outputs]
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    if hasattr(outputs, "to_numpy"):
        outputs = outputs.to_numpy()
    if isinstance(outputs, list | tuple):
        return _plain(outputs)  # an array would make one kind of many
    return _plain_array(np.asarray(outputs))


def _plain_array(array: NDArray[Any]) -> Any:
    if array.dtype in _AS_THEY_ARE:
        return np.ascontiguousarray(array)
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=np.float64)
    if array.dtype.kind in "iub":
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    if array.dtype.kind in "mM" and np.datetime_data(array.dtype)[0] in _TOO_FINE:
        array = array.astype(f"{array.dtype.kind}8[us]")
    return _plain(array.tolist())


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def answer_columns(prediction: Prediction) -> list[tuple[str, Values]]:
    """Return the outputs of a prediction as named columns.

    One output is ``prediction``, several are ``prediction_0`` and so on, classes have their own
    names, and those of several outputs ``0_setosa``: the number of the output before the class.

    :returns: for each column its name, and its values: an array of numbers or booleans as the
        estimator made them, or a list of anything else
    """
    classes = prediction.classes or []
    if not is_multi_output(prediction.outputs):
        return _named(_split_columns(prediction.outputs), classes, "")
    columns = []
    for place, part in enumerate(prediction.outputs):
        own = classes[place] if place < len(classes) else []
        columns += _named(_split_columns(part), own, f"{place}_")
    return columns


def _named(columns: list[Values], classes: Any, prefix: str) -> list[tuple[str, Values]]:
    is_of_one = isinstance(classes, list) and not any(isinstance(c, list) for c in classes)
    if is_of_one and len(columns) == len(classes) > 1:
        names = [f"{prefix}{label}" for label in classes]
    elif prefix:
        names = [f"{prefix}{place}" for place in range(len(columns))]
    elif len(columns) == 1:
        names = ["prediction"]
    else:
        names = [f"prediction_{place}" for place in range(len(columns))]
    return list(zip(names, columns, strict=True))


def _split_columns(outputs: Any) -> list[Values]:
    """Return the columns of one output; what is no table is one column of JSON texts."""
    if hasattr(outputs, "toarray"):
        outputs = outputs.toarray()
    array = outputs if _is_native(outputs) else plain_outputs(outputs)
    if isinstance(array, np.ndarray) and array.ndim <= 2 and array.size:
        return [array] if array.ndim == 1 else list(array.T)
    rows = array.tolist() if isinstance(array, np.ndarray) else array
    widths = {len(row) if isinstance(row, list) else None for row in rows}
    if widths == {None}:
        return [rows]
    if (
        widths == {0}
        or len(widths) > 1
        or any(isinstance(value, list) for row in rows for value in row)
    ):
        return [[dumps(row).decode() for row in rows]]
    return [list(column) for column in zip(*rows, strict=True)]


def _is_native(outputs: Any) -> bool:
    """Return whether outputs are an array that every reader can take as it is."""
    if not isinstance(outputs, np.ndarray):
        return False
    dtype = outputs.dtype
    return dtype.kind in "fiub" and dtype.itemsize <= 8 and dtype.isnative


def loads(
    body: bytes, subject: str = "the body", count_names: Callable[[Any], int] | None = None
) -> Any:
    """Return the JSON document that a body holds.

    An object in which a name is given twice comes as :class:`~flask_skmodels.schema.rows.Repeated`.
    ``NaN`` and ``Infinity`` are read, and so is a number too large for a double, as infinity: the
    validation names the row and field.

    :param body: the document
    :param subject: what an error message calls it
    :param count_names: returns how many names the objects of a document have, all that it is known
        to have; those of rows and of ``columns`` by default
    :raises InvalidInput: it holds none
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _loads_with_care(body, subject)
    # Each name is followed by one colon, so where there are no more colons no name was lost.
    if count_byte(body, b":") == (count_names or _count_names)(document):
        return document
    return _loads_with_care(body, subject)


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
        columns = document.get("columns")
        return len(document) + (len(columns) if isinstance(columns, dict) else 0)
    return sum(len(row) for row in document if type(row) is dict) if type(document) is list else 0


def _loads_with_care(body: bytes, subject: str) -> Any:
    try:
        document = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_int=_parse_int)
        json.dumps(document, ensure_ascii=False).encode("utf-8")  # refuses lone surrogates
    except UnicodeError:
        raise InvalidInput.of_request("json", f"{subject} is not valid Unicode") from None
    except RecursionError:
        raise InvalidInput.of_request("json", f"{subject} is nested too deeply") from None
    except ValueError:
        raise InvalidInput.of_request("json", f"{subject} is not valid JSON") from None
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
