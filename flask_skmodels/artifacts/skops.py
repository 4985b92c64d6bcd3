"""Files of skops: a zip archive with a schema, read without pickle and without trust.

skops decides which types may be made. What it leaves open is how much a small file may cost to
read: that is bounded here, from what the archive says of itself, before skops sees it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from flask_skmodels.errors import ArtifactError

MOST_TIMES = 100  # how much larger than the file its contents may be, for a large file
LEAST_ROOM = 32 * 1024 * 1024  # and for a small one
_NEEDED = (0, 16)
_SCHEMA = "schema.json"
_BOMB = "{what}: it is refused as a bomb (a model of your own loads if it is saved uncompressed)"


def read_skops(path: Path, data: bytes, trusted: Sequence[str]) -> Any:
    """Return the object that a file of skops holds.

    :param path: the file
    :param data: its bytes
    :param trusted: names of the types that it may hold besides those that skops trusts
    :raises ArtifactError: the file is not one of skops, is a bomb, or holds other types
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    version = skops.__version__
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _NEEDED:
        install = "pip install -U 'Flask-SKModels[skops]'"
        raise ArtifactError(path, f"it needs skops 0.16 or newer, this is {version}: {install}")
    try:
        _check_archive(data)
        return skops.io.loads(data, trusted=list(trusted))
    except _Refused as error:
        raise ArtifactError(path, str(error)) from error
    except UntrustedTypesFoundException as error:
        found = sorted(set(skops.io.get_untrusted_types(data=data)) - set(trusted))
        raise ArtifactError(path, _untrusted(found, trusted)) from error


def untrusted_types(path: Path) -> list[str]:
    """Return the types that a file of skops holds and skops does not trust; none of another file.

    :raises ArtifactError: the file cannot be read
    """
    if path.suffix != ".skops":
        return []
    try:
        import skops.io

        data = path.read_bytes()
        _check_archive(data)
        return sorted(skops.io.get_untrusted_types(data=data))
    except ImportError as error:
        raise ArtifactError(path, "it needs pip install 'Flask-SKModels[skops]'") from error
    except OSError as error:
        raise ArtifactError(path, f"it cannot be read: {error.strerror}") from error
    except _Refused as error:
        raise ArtifactError(path, str(error)) from error


class _Refused(Exception):
    """The file costs too much to read, or cannot be read; the message is the reason."""


def _check_archive(data: bytes) -> None:
    try:
        with ZipFile(BytesIO(data)) as archive:
            room = max(LEAST_ROOM, MOST_TIMES * len(data))
            sizes = _claims(archive, room)
            if _SCHEMA not in sizes:
                raise _Refused("it is not a file of skops: the archive has no schema.json")
            schema = _Schema(sizes)
            schema.count(json.loads(archive.read(_SCHEMA)))
    except BadZipFile as error:
        hint = "it looks like a pickle" if data[:1] == b"\x80" else str(error)
        raise _Refused(f"it is not a file of skops: {hint}") from error
    _check_room(schema.read(), room)


@dataclass(slots=True)
class _Schema:
    """What a schema costs: the bytes that its nodes read, and the nodes that are met on the way.

    skops writes a node out in full wherever it is. It also reads one that is given by its id
    alone, and a chain of nodes that each have the next one twice takes twice as long with each
    link: so wherever a node is, it has to be as long.
    """

    sizes: dict[str, int]
    lengths: dict[Any, int] = field(default_factory=dict)
    reads: dict[Any, int] = field(default_factory=dict)

    def count(self, item: Any) -> int:
        """Return how many nodes an item of the schema has, itself among them."""
        if isinstance(item, list):
            return 1 + sum(map(self.count, item))
        if not isinstance(item, dict):
            return 0
        length = 1 + sum(map(self.count, item.values()))
        key, file = item.get("__id__"), item.get("file")
        key = key if key and isinstance(key, (int, float, str)) else object()
        if self.lengths.setdefault(key, length) != length:
            raise _Refused(_BOMB.format(what="its schema has a node that stands for a longer one"))
        if isinstance(file, str):
            self.reads[key] = max(self.reads.get(key, 0), self.sizes.get(file, 0))
        return length

    def read(self) -> int:
        """Return how many bytes all nodes read."""
        return sum(self.reads.values())


def _claims(archive: ZipFile, room: int) -> dict[str, int]:
    """The size of each member of an archive, with what the archives within it hold (``.npz``)."""
    sizes: dict[str, int] = {}
    for name, size in _sized(archive, room):
        sizes[name] = max(sizes.get(name, 0), size)
    for name in sizes:
        with archive.open(name) as member:
            is_archive = member.read(4) == b"PK\x03\x04"
        if is_archive:
            with ZipFile(BytesIO(archive.read(name))) as inner:
                sizes[name] += sum(size for _, size in _sized(inner, room))
        _check_room(sum(sizes.values()), room)
    return sizes


def _sized(archive: ZipFile, room: int) -> Iterator[tuple[str, int]]:
    members = [(info.filename, info.file_size) for info in archive.infolist()]
    _check_room(sum(size for _, size in members), room)
    yield from members


def _check_room(claimed: int, room: int) -> None:
    if claimed > room:
        raise _Refused(_BOMB.format(what=f"its contents claim {claimed:,} bytes, over {room:,}"))


def _untrusted(found: Sequence[str], trusted: Sequence[str]) -> str:
    every = json.dumps([*trusted, *found])
    return (
        f"it holds types that are not trusted: {', '.join(found)}; if you know each of them, "
        f"declare the artifact with trusted={every}"
    )
