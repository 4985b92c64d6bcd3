"""The base class of codecs, and the types of its methods' arguments."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

from flask_skmodels.inference.prediction import Prediction
from flask_skmodels.inference.request_limits import Budget
from flask_skmodels.schema.rows import Rows
from flask_skmodels.schema.schema import Schema
from flask_skmodels.schema.types import JSONMapping, JSONObject, JSONValue

FILE = "file"  # the field of a multipart form with a file to read instead of the form


class Source(Protocol):
    """The body of a request, with its limits."""

    @property
    def data(self) -> bytes:
        """The bytes of the body, without its content encoding."""

    @property
    def pairs(self) -> Iterable[tuple[str, str]]:
        """The names and values of a form."""

    @property
    def parameters(self) -> Mapping[str, str]:
        """The parameters of the content type, such as ``header`` of ``text/csv``."""

    @property
    def max_bytes(self) -> int:
        """The maximum number of bytes that the body may unpack to."""

    @property
    def budget(self) -> Budget:
        """The limits on the rows and cells of the body.

        A codec checks them before it makes the rows: ``source.budget.check_rows(rows, columns)``.
        The limits are always checked again after decoding.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """JSON Schemas of the parts of a model's requests and responses.

    :ivar row: a row with names, as JSON
    :ivar array: a row without names, as JSON
    :ivar columns: an object of columns, each an array
    :ivar form: a row with names, as the fields of a form
    :ivar answer: the JSON document of a response
    """

    row: JSONMapping
    array: JSONMapping
    columns: JSONMapping
    form: JSONMapping
    answer: JSONMapping


class Codec(ABC):
    """Reads rows from a media type, and writes predictions in it.

    :cvar media_type: the type that the codec writes, sent as ``Content-Type``
    :cvar reads: the types that the codec reads
    :cvar suffixes: file name suffixes, for files that come without a content type
    :cvar library: import name of the optional library that the codec needs
    :cvar extra: the extra of this distribution that installs the library
    """

    media_type: ClassVar[str]
    reads: ClassVar[tuple[str, ...]] = ()
    suffixes: ClassVar[tuple[str, ...]] = ()
    library: ClassVar[str | None] = None
    extra: ClassVar[str | None] = None

    def decode(self, source: Source, schema: Schema) -> Rows:
        """Return the rows in a body.

        :param source: the body
        :param schema: the fields of the model
        :raises InvalidInput: the body cannot be read
        """
        raise NotImplementedError

    def encode(self, prediction: Prediction) -> bytes:
        """Return the body of a response.

        :param prediction: a complete prediction, with its outputs
        """
        raise NotImplementedError

    def encode_parts(self, prediction: Prediction) -> Iterable[bytes]:
        """Return the body of a large response in parts, which are sent one after the other.

        Only outputs with many cells of one plain dtype are written in parts. By default there is
        one part, from :meth:`encode`.

        :param prediction: a complete prediction, with its outputs
        """
        return [self.encode(prediction)]

    def request_schema(self, shapes: Shapes) -> JSONMapping:
        """Return the JSON Schema of a request's body, for the API document.

        By default the body is a text, or bytes if the media type is not a text type.

        :param shapes: the schemas of the model's parts
        """
        return _whole_body(self.reads[0])

    def answer_schema(self, shapes: Shapes) -> JSONMapping:
        """Return the JSON Schema of a response's body, for the API document.

        By default the body is a text, or bytes if the media type is not a text type.

        :param shapes: the schemas of the model's parts
        """
        return _whole_body(self.media_type)

    def example(self, row: JSONMapping) -> JSONValue:
        """Return a body of one row for the API document, None if it cannot be shown.

        :param row: the values of the fields as JSON values, None for a missing value; or ``values``
        """
        return None


def _whole_body(media_type: str) -> JSONObject:
    text = {"type": "string"}
    return text if media_type.startswith("text/") else {**text, "format": "binary"}
