"""The content codings in which a body may be packed: gzip, unpacked no further than a limit."""

from __future__ import annotations

import zlib

from flask_skmodels.codecs.base import TooLarge
from flask_skmodels.errors import InvalidInput

GZIP = frozenset({"gzip", "x-gzip"})
MOST_MEMBERS = 10_000
_STEP = 64 * 1024
_GZIP_WINDOW = 31  # zlib's number for the largest window and a header of gzip


def gunzip(body: bytes, most: int) -> bytes:
    """Return what is packed in a body of one or several gzip members.

    :param body: the members, one after the other
    :param most: the most bytes that they may unpack to
    :raises InvalidInput: it is cut off, corrupt, or something follows the last member
    :raises TooLarge: it unpacks to more
    """
    view = memoryview(body)
    parts: list[bytes] = []
    for _ in range(MOST_MEMBERS):
        if not view:
            return b"".join(parts)
        part, read = _member(view, most)
        parts.append(part)
        most -= len(part)
        view = view[read:]
    raise _refused("has too many members")


def _member(view: memoryview, most: int) -> tuple[bytes, int]:
    """Return what the first member holds, and how many bytes it takes."""
    member = zlib.decompressobj(wbits=_GZIP_WINDOW)
    parts: list[bytes] = []
    read = 0
    while not member.eof:
        if read == len(view):
            raise _refused("is cut off")
        step = view[read : read + _STEP]
        try:
            parts.append(member.decompress(step, most + 1))
        except zlib.error:
            raise _refused("is corrupt") from None
        most -= len(parts[-1])
        if most < 0:
            raise TooLarge
        read += len(step) - len(member.unused_data)
    return b"".join(parts), read


def _refused(problem: str) -> InvalidInput:
    return InvalidInput.of_request("content_encoding", f"the gzip stream of the body {problem}")
