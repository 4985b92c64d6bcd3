"""The media types in which rows come and predictions go."""

from __future__ import annotations

from flask_skmodels.codecs.base import Codec
from flask_skmodels.codecs.form import FormCodec
from flask_skmodels.codecs.json import JSONCodec

_CODECS: dict[str, Codec] = {}


def register_codec(codec: Codec) -> None:
    """Add a media type, or replace the one of that name, for every application of the process."""
    _CODECS[codec.media_type] = codec


def writers() -> list[Codec]:
    """Return the codecs that write an answer, one a media type."""
    return list(_CODECS.values())


def reader_of(content_type: str) -> Codec | None:
    """Return the codec that reads a content type, None where there is none."""
    return next((codec for codec in _CODECS.values() if content_type in codec.reads), None)


register_codec(FormCodec())
register_codec(JSONCodec())
