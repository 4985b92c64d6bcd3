"""Content encodings of a body, gzip and deflate (RFC 9110), unpacked up to a limit."""

from __future__ import annotations

import gzip
import zlib

from flask_skmodels.exceptions import InvalidInput, TooLarge

# The wbits argument of zlib: the largest window, with gzip's header or with zlib's header, which
# the encoding deflate has.
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
CODINGS = frozenset(_WINDOWS)
MAX_MEMBERS = 10_000
_STEP = 64 * 1024
_FAST = 1


def unpack(body: bytes, coding: str, most: int) -> bytes:
    """Return the content of a packed body.

    :param body: one or several gzip members, one after the other, or one zlib stream
    :param coding: one of :data:`CODINGS`
    :param most: the maximum number of bytes that the body may unpack to
    :raises InvalidInput: the body is cut off or corrupt, or has too many members
    :raises TooLarge: the body unpacks to more bytes
    """
    view = memoryview(body)
    parts: list[bytes] = []
    for _ in range(1 if coding == "deflate" else MAX_MEMBERS):
        if not view:
            break
        part, read = _member(view, coding, most)
        parts.append(part)
        most -= len(part)
        view = view[read:]
    if view:
        raise _invalid(coding, "has too many members")
    return b"".join(parts)


def pack(body: bytes, coding: str) -> bytes:
    """Return a body packed at zlib's fastest level.

    :param coding: ``"gzip"`` or ``"deflate"``
    """
    if coding == "deflate":
        return zlib.compress(body, _FAST)
    return gzip.compress(body, _FAST, mtime=0)


def _member(view: memoryview, coding: str, most: int) -> tuple[bytes, int]:
    """Return the content of the first member, and its packed length in bytes."""
    member = zlib.decompressobj(wbits=_WINDOWS[coding])
    parts: list[bytes] = []
    read = 0
    while not member.eof:
        if read == len(view):
            raise _invalid(coding, "is cut off")
        step = view[read : read + _STEP]
        try:
            parts.append(member.decompress(step, most + 1))
        except zlib.error:
            raise _invalid(coding, "is corrupt") from None
        most -= len(parts[-1])
        if most < 0:
            raise TooLarge
        read += len(step) - len(member.unused_data)
    return b"".join(parts), read


def _invalid(coding: str, problem: str) -> InvalidInput:
    return InvalidInput.of_request("content_encoding", f"the {coding} stream of the body {problem}")
