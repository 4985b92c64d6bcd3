"""The registered codecs by media type, and the codecs whose library is missing."""

from __future__ import annotations

from importlib.util import find_spec

from flask_skmodels.codecs.arrow import ArrowCodec
from flask_skmodels.codecs.codec import Codec
from flask_skmodels.codecs.csv import CSVCodec
from flask_skmodels.codecs.form import FormCodec
from flask_skmodels.codecs.json import JSONCodec
from flask_skmodels.codecs.ndjson import NDJSONCodec

_CODECS: dict[str, Codec] = {}
_MISSING: dict[str, Codec] = {}


def register_codec(codec: Codec) -> None:
    """Add a media type, or replace an existing one, for every application of the process.

    A codec whose optional library is not installed is left out; see :func:`missing_codecs`.
    """
    is_missing = codec.library is not None and find_spec(codec.library) is None
    (_MISSING if is_missing else _CODECS)[codec.media_type] = codec


def writers() -> list[Codec]:
    """Return the codecs that write a response, one for each media type."""
    return list(_CODECS.values())


def reader_of(content_type: str) -> Codec | None:
    """Return the codec that reads a content type, None if there is none."""
    return next((codec for codec in _CODECS.values() if content_type in codec.reads), None)


def type_of_file(name: str) -> str:
    """Return the content type of a file by the suffix of its name, empty for an unknown suffix.

    It may be that of a codec whose library is not installed.
    """
    codecs = [*_CODECS.values(), *missing_codecs()]
    suffixed = (codec for codec in codecs if name.lower().endswith(codec.suffixes))
    return next((codec.reads[0] for codec in suffixed if codec.reads), "")


def missing_codecs() -> list[Codec]:
    """Return the codecs that were left out because their library is not installed."""
    return [codec for media_type, codec in _MISSING.items() if media_type not in _CODECS]


for _codec in (FormCodec(), JSONCodec(), CSVCodec(), NDJSONCodec(), ArrowCodec()):
    register_codec(_codec)
