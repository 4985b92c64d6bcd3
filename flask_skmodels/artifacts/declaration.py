"""The declaration of an artifact in an application: its path, its pin and other requirements."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from flask_skmodels.artifacts.regular_files import MAX_BYTES

_DIGEST = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
ONNX_TOLERANCE = 1e-5


@dataclass(frozen=True, repr=False)
class Artifact:
    """A file that contains a fitted estimator. It is read only when it is loaded.

    :param path: the file, relative to ``SKMODELS_ROOT``; never taken from a request
    :param sha256: digest that the file must have, in hexadecimal
    :param trusted: names of the types that a ``.skops`` file may contain besides those that skops
        trusts
    :param version: the version to serve, if the path is a folder of versions
    :param mmap_mode: ``"r"`` or ``"c"`` to map the arrays of a ``.joblib`` file into memory
    :raises ValueError: an argument has a value that is not allowed
    """

    path: str | os.PathLike[str]
    sha256: str | None = field(default=None, kw_only=True)
    trusted: Sequence[str] = field(default=(), kw_only=True)
    version: str | None = field(default=None, kw_only=True)
    mmap_mode: Literal["r", "c"] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        trusted = () if isinstance(self.trusted, str) else tuple(self.trusted)
        if isinstance(self.trusted, str) or not all(isinstance(name, str) for name in trusted):
            raise ValueError(f"trusted must be a list of type names, not {self.trusted!r}")
        if self.sha256 is not None and not _DIGEST.fullmatch(self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits, not {self.sha256!r}")
        if self.version is not None and not isinstance(self.version, str):
            raise ValueError(
                f"version must be the label of a version (a string), not {self.version!r}"
            )
        if self.mmap_mode not in (None, "r", "c"):
            raise ValueError(f"mmap_mode must be 'r', 'c' or None, not {self.mmap_mode!r}")
        object.__setattr__(self, "path", os.fspath(self.path))
        object.__setattr__(self, "trusted", trusted)
        object.__setattr__(self, "sha256", self.sha256 and self.sha256.lower())

    def __repr__(self) -> str:
        values = ((each, getattr(self, each.name)) for each in fields(Artifact))
        return _call("Artifact", {each.name: v for each, v in values if v != each.default})


@dataclass(frozen=True, repr=False)
class VersionFile(Artifact):
    """A file in a folder of versions, of which the application declares only the folder."""

    @classmethod
    def of(cls, folder: Artifact, name: str) -> VersionFile:
        """Return a file of a folder.

        :param folder: the declaration of the folder
        :param name: the name of the file in it
        """
        values = {each.name: getattr(folder, each.name) for each in fields(cls)}
        return cls(**values | {"path": Path(folder.path, name), "version": None})


@dataclass(frozen=True, repr=False)
class ServedFile(Artifact):
    """A file that a call of ``serve`` names. Its representation is that call.

    :param given: the path as it was given to ``serve``
    :param name: the name of the model, as for ``serve``
    """

    given: str = field(default="", kw_only=True)
    name: str | None = field(default=None, kw_only=True)

    def __repr__(self) -> str:
        options = ("name", "sha256", "trusted", "version", "mmap_mode")
        values = {name: getattr(self, name) for name in options}
        return _call("serve", {"path": self.given} | {n: v for n, v in values.items() if v})


def _call(function: str, arguments: Mapping[str, object]) -> str:
    """Return a call as Python source: the first argument is positional, the others are keywords."""
    shown = ", ".join(f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in arguments.items())
    return f"{function}({shown.partition('=')[2]})"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The requirements of an application's configuration for its artifacts.

    :param root: the folder that paths are relative to
    :param trust_pickle: True to load pickles that are not pinned
    :param sha256sums: a file of digests of artifacts, as ``sha256sum`` writes it
    :param sha256sums_sha256: digest of that file; without it, ``verify`` must accept the file
    :param verify: called with the path and the bytes of each file before anything in it is read;
        the file is refused if it raises or returns False
    :param version_mismatch: the treatment of an estimator that was fitted with another version of
        scikit-learn
    :param max_bytes: the largest size of a file
    :param onnx_tolerance: the largest difference allowed between a graph of ONNX and the estimator
        that it was converted from
    """

    root: Path
    trust_pickle: bool = False
    sha256sums: str | os.PathLike[str] | None = None
    sha256sums_sha256: str | None = None
    verify: Callable[[Path, bytes], object] | None = None
    version_mismatch: Literal["refuse", "warn", "ignore"] = "refuse"
    max_bytes: int = MAX_BYTES
    onnx_tolerance: float = ONNX_TOLERANCE

    def for_pinned_file(self) -> Policy:
        """Return the policy for another process, which loads a file that has met this policy.

        The file is pinned there to the digest of its bytes, so no list and no function is needed.
        """
        return replace(
            self,
            root=self.root.absolute(),
            trust_pickle=True,
            sha256sums=None,
            sha256sums_sha256=None,
            verify=None,
        )


def resolve(artifact: Artifact, policy: Policy) -> Path:
    """Return the path of an artifact."""
    return Path(policy.root, artifact.path)
