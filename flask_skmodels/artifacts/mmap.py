"""Files that are mapped into memory: what is unpickled is what was hashed, whoever writes to them.

The arrays of such a file stay in it. They are numbers: who changes them there changes what is
predicted, but no code comes of them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from hashlib import sha256
from inspect import signature
from pathlib import Path
from typing import Any

from joblib.numpy_pickle import NumpyUnpickler

from flask_skmodels.errors import ArtifactError

BLOCK = 1 << 16


class Blocks(io.RawIOBase):
    """An open file, from which a block is read again only as it was when it was hashed.

    :param path: the file
    :param descriptor: the file, open
    :param blocks: its content, in blocks of ``BLOCK`` bytes but for the last
    :ivar sha256: digest of all of it
    """

    def __init__(self, path: Path, descriptor: int, blocks: Iterable[bytes]) -> None:
        super().__init__()
        self.name = os.fspath(path)
        self._path = path
        self._file = open(descriptor, "rb", buffering=0, closefd=False)  # noqa: SIM115
        self._digests: list[bytes] = []
        self._position = 0
        self._at, self._block = -1, b""
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
        """Read the rest of a block.

        :raises ArtifactError: it is not what was hashed
        """
        view = memoryview(buffer).cast("B")
        place, start = divmod(self._position, BLOCK)
        piece = self._checked(place)[start : start + len(view)]
        view[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _checked(self, place: int) -> bytes:
        if place >= len(self._digests):
            return b""
        if place != self._at:
            self._file.seek(place * BLOCK)
            block = self._file.read(BLOCK)
            if sha256(block).digest() != self._digests[place]:
                raise ArtifactError(self._path, "it was changed while it was loaded")
            self._at, self._block = place, block
        return self._block


def unpickle(blocks: Blocks, name: str, mode: str) -> Any:
    """Return what a file of ``joblib.dump`` holds, its arrays mapped.

    :param blocks: the file
    :param name: name that the arrays are mapped by
    :param mode: ``"r"`` or ``"c"``
    """
    options: dict[str, Any] = {"mmap_mode": mode}
    if "ensure_native_byte_order" in signature(NumpyUnpickler).parameters:
        options["ensure_native_byte_order"] = False
    return NumpyUnpickler(name, io.BufferedReader(blocks, BLOCK), **options).load()
