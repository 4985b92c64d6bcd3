"""Files of skops: a zip archive with a schema, read without pickle.

skops decides which types a file may create. It does not limit the memory and time that a small
file can take, so this module does, from the sizes that the archive declares, before skops reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from flask_skmodels.artifacts.regular_files import MAX_BYTES, opened
from flask_skmodels.exceptions import ArtifactError, in_one_line
from flask_skmodels.hints import install_line
from flask_skmodels.schema.types import Estimator

MAX_INFLATION = 100  # the largest ratio of the size of the contents to the size of the file
MIN_LIMIT = 32 * 1024 * 1024  # bytes that the contents of even a small file may have
MIN_SCHEMA_LIMIT = 1024 * 1024  # bytes that the schema of even a small file may have
BYTES_OF_A_NODE = 32  # required for each list or dictionary of a schema; skops writes 200
_MIN_VERSION = (0, 16)
_SCHEMA = "schema.json"
_BOMB = "{reason}: it is refused as a zip bomb (your own model loads if you save it uncompressed)"


def read_skops(path: Path, data: bytes, trusted: Sequence[str]) -> Estimator:
    """Return the object in a file of skops.

    :param path: the file
    :param data: its bytes
    :param trusted: names of the types that it may contain besides those that skops trusts
    :raises ArtifactError: it is not a file of skops, takes too much memory, or contains other types
    """
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    version = skops.__version__
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _MIN_VERSION:
        install = install_line("skops", is_upgrade=True)
        raise ArtifactError(
            path, f"it needs skops 0.16 or later, but {version} is installed: {install}"
        )
    try:
        _check_archive(data)
        return skops.io.loads(data, trusted=list(trusted))
    except _Refused as error:
        raise ArtifactError(path, str(error)) from error
    except UntrustedTypesFoundException as error:
        untrusted = sorted(set(skops.io.get_untrusted_types(data=data)) - set(trusted))
        raise ArtifactError(path, _not_trusted(untrusted, trusted)) from error


def untrusted_types(path: Path) -> list[str]:
    """Return the names of the types in a file of skops that skops does not trust.

    :returns: empty for a file of another format
    :raises ArtifactError: the file cannot be read
    """
    if path.suffix != ".skops":
        return []
    try:
        import skops.io

        with opened(path, MAX_BYTES) as file:
            data = file.read()
        _check_archive(data)
        return sorted(skops.io.get_untrusted_types(data=data))
    except ArtifactError:
        raise
    except ImportError as error:
        raise ArtifactError(path, f"it needs skops: {install_line('skops')}") from error
    except _Refused as error:
        raise ArtifactError(path, str(error)) from error
    except Exception as error:
        raise ArtifactError(path, f"it cannot be read: {in_one_line(error)}") from error


class _Refused(Exception):
    """The file takes too much memory, or is not a file of skops; the message is the reason."""


def _check_archive(data: bytes) -> None:
    try:
        with ZipFile(BytesIO(data)) as archive:
            limit = max(MIN_LIMIT, MAX_INFLATION * len(data))
            sizes = _declared_sizes(archive, limit)
            if _SCHEMA not in sizes:
                raise _Refused("it is not a file of skops: the archive has no schema.json")
            schema = _Schema(sizes)
            schema.count(json.loads(_read_schema(archive, sizes[_SCHEMA], len(data))))
    except BadZipFile as error:
        hint = "it looks like a pickle" if data[:1] == b"\x80" else str(error)
        raise _Refused(f"it is not a file of skops: {hint}") from error
    _check_size(schema.bytes_read(), limit)


def _read_schema(archive: ZipFile, size: int, file_size: int) -> bytes:
    """Return the schema after checking the cost of parsing it.

    A parsed schema takes 30 times its size in memory. In a schema of empty lists, each three bytes
    become 56.
    """
    limit = max(MIN_SCHEMA_LIMIT, MAX_INFLATION * file_size)
    if size > limit:
        reason = f"its schema.json claims to have {size:,} bytes, more than the limit of {limit:,}"
        raise _Refused(_BOMB.format(reason=reason))
    schema = archive.read(_SCHEMA)
    nodes = schema.count(b"[") + schema.count(b"{")
    if nodes * BYTES_OF_A_NODE > MIN_SCHEMA_LIMIT // 8 + len(schema):
        reason = f"its schema.json has {nodes:,} lists and dictionaries in {len(schema):,} bytes"
        raise _Refused(_BOMB.format(reason=reason))
    return schema


@dataclass(slots=True)
class _Schema:
    """The cost of a schema: the bytes that its nodes read, and the number of its nodes.

    skops writes each node in full wherever it occurs, but also reads a node that is given by its id
    alone. If each node in a chain contains the next node twice, every further node doubles the
    time. So a node must have the same length wherever it occurs.

    :param sizes: the size in bytes of each member of the archive
    :param lengths: the number of nodes in each node, by its id
    :param reads: the bytes that each node reads, by its id
    """

    sizes: dict[str, int]
    lengths: dict[object, int] = field(default_factory=dict)
    reads: dict[object, int] = field(default_factory=dict)

    def count(self, item: object) -> int:
        """Return the number of nodes in an item of the schema, the item included."""
        if isinstance(item, list):
            return 1 + sum(map(self.count, item))
        if not isinstance(item, dict):
            return 0
        length = 1 + sum(map(self.count, item.values()))
        key, file = item.get("__id__"), item.get("file")
        key = key if key and isinstance(key, (int, float, str)) else object()
        if self.lengths.setdefault(key, length) != length:
            raise _Refused(
                "its schema.json uses one id for two different nodes: it is refused as a zip bomb"
            )
        if isinstance(file, str):
            self.reads[key] = max(self.reads.get(key, 0), self.sizes.get(file, 0))
        return length

    def bytes_read(self) -> int:
        """Return the number of bytes that all nodes read."""
        return sum(self.reads.values())


def _declared_sizes(archive: ZipFile, limit: int) -> dict[str, int]:
    """Return the size of each member of an archive, with the contents of inner ``.npz`` files."""
    sizes: dict[str, int] = {}
    for name, size in _members(archive, limit):
        sizes[name] = max(sizes.get(name, 0), size)
    for name in sizes:
        with archive.open(name) as member:
            is_archive = member.read(4) == b"PK\x03\x04"
        if is_archive:
            with ZipFile(BytesIO(archive.read(name))) as inner:
                sizes[name] += sum(size for _, size in _members(inner, limit))
        _check_size(sum(sizes.values()), limit)
    return sizes


def _members(archive: ZipFile, limit: int) -> Iterator[tuple[str, int]]:
    members = [(info.filename, info.file_size) for info in archive.infolist()]
    _check_size(sum(size for _, size in members), limit)
    yield from members


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        reason = f"its contents claim to have {size:,} bytes, more than the limit of {limit:,}"
        raise _Refused(_BOMB.format(reason=reason))


def _not_trusted(untrusted: Sequence[str], trusted: Sequence[str]) -> str:
    every = json.dumps([*trusted, *untrusted])
    return (
        f"it contains types that are not trusted: {', '.join(untrusted)}; if you trust each of "
        f"them, declare the artifact with trusted={every}"
    )
