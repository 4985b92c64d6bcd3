"""Files that are mapped into memory, and unpickled only from the bytes that were hashed.

joblib maps the arrays of a file, but unpickles the rest from the file itself, which may have been
changed since it was hashed. So joblib's unpickler reads here from :class:`Blocks`, which compares
each block with the hashed one. The arrays stay in the file and are not compared: if they are
changed there, predictions change, but no code runs.

Mapping saves memory and time. For a file with an array of 200 MB, each process takes 10 MB of
private memory instead of 209 MB, and loading takes 0.4 of the time (``benchmarks/bench_mmap.py``).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from joblib.numpy_pickle import NumpyUnpickler

from flask_skmodels.exceptions import ArtifactError
from flask_skmodels.schema.types import Estimator, JSONObject

BLOCK = 1 << 16


class Blocks(io.RawIOBase):
    """An open file that compares each block it reads with the hash of that block.

    :param path: the file
    :param descriptor: its descriptor, open for reading
    :param blocks: its content, in blocks of ``BLOCK`` bytes; the last may be shorter
    :ivar sha256: digest of the whole content, in hexadecimal
    """

    def __init__(self, path: Path, descriptor: int, blocks: Iterable[bytes]) -> None:
        super().__init__()
        self.name = os.fspath(path)
        self._path = path
        self._file = open(descriptor, "rb", buffering=0, closefd=False)  # noqa: SIM115
        self._digests: list[bytes] = []
        self._position = 0
        self._index, self._block = -1, b""
        digest = sha256()
        for block in blocks:
            digest.update(block)
            self._digests.append(sha256(block).digest())
        self.sha256 = digest.hexdigest()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        self._position = offset
        return offset

    def readinto(self, buffer: Any, /) -> int:
        """Read the rest of the current block.

        :raises ArtifactError: the block was changed after it was hashed
        """
        view = memoryview(buffer).cast("B")
        index, start = divmod(self._position, BLOCK)
        piece = self._checked(index)[start : start + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _checked(self, index: int) -> bytes:
        if index >= len(self._digests):
            return b""
        if index != self._index:
            self._file.seek(index * BLOCK)
            block = self._file.read(BLOCK)
            if sha256(block).digest() != self._digests[index]:
                raise ArtifactError(self._path, "it was changed while it was loaded")
            self._index, self._block = index, block
        return self._block


def unpickle(blocks: Blocks, name: str, mode: Literal["r", "c"]) -> Estimator:
    """Return the object in a file that ``joblib.dump`` has written, with its arrays mapped.

    :param blocks: the file
    :param name: the path that the arrays are mapped by
    :param mode: ``"r"`` for arrays that cannot be written to, ``"c"`` for copies of the pages that
        are written to
    """
    options: JSONObject = {"mmap_mode": mode}
    if "ensure_native_byte_order" in signature(NumpyUnpickler).parameters:
        options["ensure_native_byte_order"] = False
    return NumpyUnpickler(name, io.BufferedReader(blocks, BLOCK), **options).load()
