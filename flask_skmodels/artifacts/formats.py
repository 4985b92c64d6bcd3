"""The formats of artifacts: their file name suffixes and the packages that they need.

``artifacts.loading`` calls the reader of each format.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask_skmodels.exceptions import ArtifactError

SUFFIXES = {
    ".skops": "skops",
    ".joblib": "joblib",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".onnx": "onnx",
}
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".lzma", ".z", ".lz4"})
PICKLED = frozenset({"joblib", "pickle"})
# The packages that a format needs; the extra has the name of the format.
PACKAGES = {"skops": ("skops",), "onnx": ("onnxruntime", "onnx")}


def split_name(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Return a file's name without its suffixes, and its format; None if the suffix is unknown.

    ``models/2.joblib.gz`` is ``("2", "joblib")``.
    """
    name = Path(path)
    inner = name.with_suffix("") if name.suffix.lower() in _COMPRESSED else name
    format_ = SUFFIXES.get(inner.suffix.lower())
    if format_ is None or (inner is not name and format_ not in PICKLED):
        return name.name, None
    return inner.stem, format_


def check_format(path: Path) -> str:
    """Return the format of a file by its name.

    :raises ArtifactError: the name has none of the known suffixes
    """
    format_ = split_name(path)[1]
    if format_ is None:
        known = ", ".join(SUFFIXES)
        reason = f"its name must end with one of {known}; a pickle may be compressed"
        raise ArtifactError(path, reason)
    return format_
