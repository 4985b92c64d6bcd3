"""The content codings of a body, gzip and deflate (RFC 9110), unpacked no further than a limit."""

from __future__ import annotations

import gzip
import zlib

from flask_skmodels.codecs.codec import TooLarge
from flask_skmodels.errors import InvalidInput

# zlib's numbers for the largest window with a header of gzip, and of zlib, which is what the coding
# deflate has.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
CODINGS = frozenset(_WINDOWS)
MOST_MEMBERS = 10_000
_STEP = 64 * 1024
_FAST = 1


def unpack(body: bytes, coding: str, most: int) -> bytes:
    """Return what is packed in a body.

    :param body: one or several gzip members, one after the other, or one zlib stream
    :param coding: one of :data:`CODINGS`
    :param most: the most bytes that it may unpack to
    :raises InvalidInput: it is cut off, corrupt, or something follows the last member
    :raises TooLarge: it unpacks to more
    """
    view = memoryview(body)
    parts: list[bytes] = []
    for _ in range(1 if coding == "deflate" else MOST_MEMBERS):
        if not view:
            break
        part, read = _member(view, coding, most)
        parts.append(part)
        most -= len(part)
        view = view[read:]
    if view:
        raise _refused(coding, "has too many members")
    return b"".join(parts)


def pack(body: bytes, coding: str) -> bytes:
    """Return a body packed, rather fast than small.

    :param coding: ``"gzip"`` or ``"deflate"``
    """
    if coding == "deflate":
        return zlib.compress(body, _FAST)
    return gzip.compress(body, _FAST, mtime=0)


def _member(view: memoryview, coding: str, most: int) -> tuple[bytes, int]:
    """Return what the first member holds, and how many bytes it takes."""
    member = zlib.decompressobj(wbits=_WINDOWS[coding])
    parts: list[bytes] = []
    read = 0
    while not member.eof:
        if read == len(view):
            raise _refused(coding, "is cut off")
        step = view[read : read + _STEP]
        try:
            parts.append(member.decompress(step, most + 1))
        except zlib.error:
            raise _refused(coding, "is corrupt") from None
        most -= len(parts[-1])
        if most < 0:
            raise TooLarge
        read += len(step) - len(member.unused_data)
    return b"".join(parts), read


def _refused(coding: str, problem: str) -> InvalidInput:
    return InvalidInput.of_request("content_encoding", f"the {coding} stream of the body {problem}")
