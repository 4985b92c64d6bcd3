"""What an application says of a file: where it is, and which bytes it has to be."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from shlex import quote
from typing import Literal

from flask_skmodels.errors import ArtifactError

_SUFFIXES = {
    ".skops": "skops",
    ".joblib": "joblib",
    ".pkl": "pickle",
    ".pickle": "pickle",
    ".onnx": "onnx",
}
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".lzma", ".z", ".lz4"})
ONNX_TOLERANCE = 1e-5
PICKLED = frozenset({"joblib", "pickle"})
_HEX = re.compile(r"[0-9a-fA-F]{64}", re.ASCII)
# As sha256sum writes it: a backslash if the name is escaped, the digest, text or binary, the name.
_SUM = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)", re.ASCII)
_ESCAPE = re.compile(r"\\([\\nr])")


@dataclass(frozen=True, repr=False)
class Artifact:
    """A file that holds a fitted estimator. Nothing is read before the file is loaded.

    :param path: the file, relative to ``SKMODELS_ROOT``; never from a request
    :param sha256: digest that the file must have, in hexadecimal
    :param trusted: names of the types that a ``.skops`` file may hold besides those that skops
        trusts itself
    :param version: the version to serve, where the path is a folder of versions
    :param mmap_mode: ``"r"`` or ``"c"`` to map the arrays of a ``.joblib`` file into memory
    :raises ValueError: an argument is not what it can be
    """

    path: str | os.PathLike[str]
    sha256: str | None = field(default=None, kw_only=True)
    trusted: Sequence[str] = field(default=(), kw_only=True)
    version: str | None = field(default=None, kw_only=True)
    mmap_mode: Literal["r", "c"] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        trusted = () if isinstance(self.trusted, str) else tuple(self.trusted)
        if isinstance(self.trusted, str) or not all(isinstance(name, str) for name in trusted):
            raise ValueError(f"trusted must be a list of names of types, not {self.trusted!r}")
        if self.sha256 is not None and not _HEX.fullmatch(self.sha256):
            raise ValueError(f"sha256 must be 64 hexadecimal digits, not {self.sha256!r}")
        if self.version is not None and not isinstance(self.version, str):
            raise ValueError(f"version must be a label, which is text, not {self.version!r}")
        if self.mmap_mode not in (None, "r", "c"):
            raise ValueError(f"mmap_mode must be 'r', 'c' or None, not {self.mmap_mode!r}")
        object.__setattr__(self, "path", os.fspath(self.path))
        object.__setattr__(self, "trusted", trusted)
        object.__setattr__(self, "sha256", self.sha256 and self.sha256.lower())

    def __repr__(self) -> str:
        values = ((each, getattr(self, each.name)) for each in fields(self))
        given = {each.name: value for each, value in values if value != each.default}
        shown = ", ".join(
            f"{name}={json.dumps(v, ensure_ascii=False)}" for name, v in given.items()
        )
        return f"Artifact({shown.removeprefix('path=')})"


@dataclass(frozen=True, repr=False)
class VersionFile(Artifact):
    """One file of an artifact that is a folder: a line of code pins the folder's files alike."""

    @classmethod
    def of(cls, folder: Artifact, name: str) -> VersionFile:
        """Return the file of a name in a folder."""
        values = {each.name: getattr(folder, each.name) for each in fields(folder)}
        return cls(**values | {"path": Path(folder.path, name), "version": None})


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What the configuration of an application demands of its artifacts.

    :param root: the folder that paths are relative to
    :param trust_pickle: whether pickles load that are not pinned
    :param sha256sums: a file as ``sha256sum`` writes it, with digests of artifacts
    :param sha256sums_sha256: digest of that file; without it, ``verify`` must accept the file
    :param verify: called with the path and the bytes of each file before anything in it is read;
        the file is refused where it raises or returns False
    :param version_mismatch: what is done about an estimator that was fitted with another version
        of scikit-learn
    :param onnx_tolerance: how far a graph of ONNX may be from the estimator that it is made of
    """

    root: Path
    trust_pickle: bool = False
    sha256sums: str | os.PathLike[str] | None = None
    sha256sums_sha256: str | None = None
    verify: Callable[[Path, bytes], object] | None = None
    version_mismatch: Literal["refuse", "warn", "ignore"] = "refuse"
    onnx_tolerance: float = ONNX_TOLERANCE


def resolve(artifact: Artifact, policy: Policy) -> Path:
    """Return where an artifact is."""
    return Path(policy.root, artifact.path)


def split_name(path: str | os.PathLike[str]) -> tuple[str, str | None]:
    """Return a file's name without its suffixes, and its format; None if it is no artifact's name.

    ``models/2.joblib.gz`` is ``("2", "joblib")``.
    """
    name = Path(path)
    inner = name.with_suffix("") if name.suffix.lower() in _COMPRESSED else name
    kind = _SUFFIXES.get(inner.suffix.lower())
    if kind is None or (inner is not name and kind not in PICKLED):
        return name.name, None
    return inner.stem, kind


def check_format(path: Path) -> str:
    """Return the format that a file's name tells.

    :raises ArtifactError: it tells none
    """
    kind = split_name(path)[1]
    if kind is None:
        known = ", ".join(_SUFFIXES)
        raise ArtifactError(path, f"its name ends in none of {known} (pickles may be compressed)")
    return kind


def check_digest(artifact: Artifact, policy: Policy, path: Path, digest: str) -> None:
    """Refuse a file that has not the digest that it is pinned to, and a pickle without a pin.

    :param path: where the artifact is
    :param digest: SHA-256 of its bytes, in lower case
    :raises ArtifactError: the file is refused
    """
    expected = artifact.sha256 or _listed(policy, path)
    if expected not in (None, digest):
        raise ArtifactError(path, f"its SHA-256 is {digest}, expected is {expected}")
    if expected is None and check_format(path) in PICKLED and not policy.trust_pickle:
        raise ArtifactError(path, _unpinned(artifact, policy, digest))


def check_signature(policy: Policy, path: Path, data: bytes) -> None:
    """Refuse a file that the application's ``verify`` does not accept.

    :raises ArtifactError: the file is refused
    """
    if policy.verify is None:
        return
    try:
        accepted = policy.verify(path, data) is not False
    except Exception as error:
        raise ArtifactError(path, f"SKMODELS_VERIFY refuses it: {in_one_line(error)}") from error
    if not accepted:
        raise ArtifactError(path, "SKMODELS_VERIFY refuses it")


def in_one_line(error: BaseException) -> str:
    """Return what an exception says, with its class, in one line that is not too long."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}".removesuffix(": ")


def sums_line(name: str, digest: str) -> str:
    """Return the line of a list of digests, as sha256sum writes it."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}"


def _unpinned(artifact: Artifact, policy: Policy, digest: str) -> str:
    path = os.fspath(artifact.path)
    skops = os.fspath(Path(path).with_name(f"{split_name(path)[0]}.skops"))
    if isinstance(artifact, VersionFile):
        pin = _line_for_list(artifact, policy, digest)
    else:
        pin = f"declare {replace(artifact, sha256=digest)!r}, or list it in SKMODELS_SHA256SUMS"
    return (
        "a pickle runs code when it is loaded, and this one is not pinned: if you know where it "
        f"is from, {pin}; or convert it with flask skmodels convert {quote(path)} {quote(skops)}"
    )


def _line_for_list(artifact: Artifact, policy: Policy, digest: str) -> str:
    """Return what to write where, with the digest that the list then has."""
    path = resolve(artifact, policy)
    sums = policy.sha256sums or Path(artifact.path).with_name("SHA256SUMS")
    file = Path(policy.root, sums)
    line = sums_line(os.path.relpath(path, file.parent), digest)
    if policy.sha256sums is not None and policy.sha256sums_sha256 is None:
        return f'add the line "{line}" to {sums}, and sign it again'
    known = b"" if policy.sha256sums is None else file.read_bytes()
    known += b"\n" * (known[-1:] not in (b"", b"\n"))
    whole = sha256(known + os.fsencode(f"{line}\n")).hexdigest()
    setting = f'SKMODELS_SHA256SUMS = ("{sums}", "{whole}")'
    return f'add the line "{line}" to {sums}, and set {setting}, the digest that it has then'


def _listed(policy: Policy, path: Path) -> str | None:
    """The digest of a file in the list of digests, by its name there or by what it links to."""
    if policy.sha256sums is None:
        return None
    file = Path(policy.root, policy.sha256sums)
    sums = _read_sums(file, policy)
    real = os.path.relpath(os.path.realpath(path), os.path.realpath(file.parent))
    names = _full(path), _full(file.parent / real)
    return next((sums[name] for name in names if name in sums), None)


def _full(path: Path) -> str:
    return os.path.normpath(path.absolute())


def _read_sums(file: Path, policy: Policy) -> dict[str, str]:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ArtifactError(file, f"cannot be read: {error.strerror}") from error
    if policy.sha256sums_sha256 is not None:
        expected, found = policy.sha256sums_sha256.lower(), sha256(data).hexdigest()
        if found != expected:
            raise ArtifactError(file, f"its SHA-256 is {found}, expected is {expected}")
    elif policy.verify is None:
        raise ArtifactError(
            file,
            "this list of digests is itself not pinned: set SKMODELS_SHA256SUMS to "
            f'("{policy.sha256sums}", "{sha256(data).hexdigest()}"), or set SKMODELS_VERIFY',
        )
    else:
        check_signature(policy, file, data)
    return _parsed(file, data)


@lru_cache(maxsize=16)  # one list may be of a thousand files, and is asked for each
def _parsed(file: Path, data: bytes) -> dict[str, str]:
    sums: dict[str, str] = {}
    for name, digest in _lines(file, os.fsdecode(data)):
        if sums.setdefault(_full(file.parent / name), digest) != digest:
            raise ArtifactError(file, f"it lists {name} twice, with two digests")
    return sums


def _lines(file: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line.strip() or line.startswith("#"):
            continue
        if (match := _SUM.fullmatch(line)) is None:
            raise ArtifactError(file, f"line {number} is not a digest and a name as of sha256sum")
        escaped, digest, name = match.groups()
        yield (_ESCAPE.sub(_unescaped, name) if escaped else name), digest.lower()


def _unescaped(match: re.Match[str]) -> str:
    return {"\\": "\\", "n": "\n", "r": "\r"}[match[1]]
