"""The two checks before an artifact is loaded: its SHA-256, and the application's ``verify``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from shlex import quote

from flask_skmodels.artifacts.declaration import (
    Artifact,
    Policy,
    ServedFile,
    VersionFile,
    resolve,
)
from flask_skmodels.artifacts.formats import PICKLED, check_format, split_name
from flask_skmodels.artifacts.regular_files import read_description
from flask_skmodels.exceptions import ArtifactError, in_one_line

# As sha256sum writes it: a backslash if the name is escaped, the digest, text or binary, the name.
_SUM = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)", re.ASCII)
_ESCAPE = re.compile(r"\\([\\nr])")


def check_digest(artifact: Artifact, policy: Policy, path: Path, digest: str) -> bool:
    """Refuse a file whose digest is not the pinned one, and a pickle without a pin.

    :param path: the path of the artifact
    :param digest: SHA-256 of its bytes, in lower case
    :returns: whether the file is pinned
    :raises ArtifactError: the file is refused
    """
    expected = artifact.sha256 or _digest_in_list(policy, path)
    if expected not in (None, digest):
        raise ArtifactError(path, f"its SHA-256 is {digest}, but its pin is {expected}")
    if expected is None and check_format(path) in PICKLED and not policy.trust_pickle:
        raise ArtifactError(path, _not_pinned(artifact, policy, digest))
    return expected is not None


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


def sums_line(name: str, digest: str) -> str:
    """Return the line of a list of digests, as ``sha256sum`` writes it."""
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}"


def _not_pinned(artifact: Artifact, policy: Policy, digest: str) -> str:
    path = from_here(resolve(artifact, policy))
    skops = os.fspath(Path(path).with_name(f"{split_name(path)[0]}.skops"))
    if isinstance(artifact, VersionFile):
        pin = _how_to_list(artifact, policy, digest)
    elif isinstance(artifact, ServedFile):
        pin = f"pin it with {replace(artifact, sha256=digest)!r}"
    else:
        pin = f"declare {replace(artifact, sha256=digest)!r}, or list it in SKMODELS_SHA256SUMS"
    return (
        "a pickle runs code when it is loaded, and this one is not pinned: if you trust its "
        f"source, {pin}; or convert it with flask skmodels convert {quote(path)} {quote(skops)}"
    )


def from_here(path: Path) -> str:
    """Return a path for a command: relative if it is in the working directory, else absolute."""
    absolute, here = path.absolute(), Path.cwd()
    return os.fspath(absolute.relative_to(here) if absolute.is_relative_to(here) else absolute)


def _how_to_list(artifact: Artifact, policy: Policy, digest: str) -> str:
    """Return how to list a file: the line to add, and the digest of the list after that."""
    path = resolve(artifact, policy)
    sums = policy.sha256sums or Path(artifact.path).with_name("SHA256SUMS")
    file = Path(policy.root, sums)
    line = sums_line(os.path.relpath(path, file.parent), digest)
    if policy.sha256sums is not None and policy.sha256sums_sha256 is None:
        return f'add the line "{line}" to {from_here(file)}, and sign it again'
    known = b"" if policy.sha256sums is None else read_description(file)
    known += b"\n" * (known[-1:] not in (b"", b"\n"))
    whole = sha256(known + os.fsencode(f"{line}\n")).hexdigest()
    setting = f'SKMODELS_SHA256SUMS = ("{sums}", "{whole}")'
    return (
        f'add the line "{line}" to {from_here(file)}, and set {setting}; the second value is the '
        "digest of the list after you add the line"
    )


def _digest_in_list(policy: Policy, path: Path) -> str | None:
    """Return the digest of a file in the list, by its name or that of the file it links to."""
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
    data = read_description(file)
    _check_list(file, policy, data)
    return _parsed(file, data)


def _check_list(file: Path, policy: Policy, data: bytes) -> None:
    """Refuse a list of digests that is neither pinned itself nor accepted by ``verify``."""
    digest = sha256(data).hexdigest()
    if policy.sha256sums_sha256 is not None:
        expected = policy.sha256sums_sha256.lower()
        if digest != expected:
            raise ArtifactError(file, f"its SHA-256 is {digest}, but its pin is {expected}")
    elif policy.verify is None:
        raise ArtifactError(
            file,
            "this list of digests is itself not pinned: set SKMODELS_SHA256SUMS to "
            f'("{policy.sha256sums}", "{digest}"), or set SKMODELS_VERIFY',
        )
    else:
        check_signature(policy, file, data)


@lru_cache(maxsize=16)  # a list may name a thousand files, and is read for each of them
def _parsed(file: Path, data: bytes) -> dict[str, str]:
    sums: dict[str, str] = {}
    for name, digest in _lines(file, os.fsdecode(data)):
        if sums.setdefault(_full(file.parent / name), digest) != digest:
            raise ArtifactError(file, f"it lists {name} twice, with two digests")
    return sums


def _lines(file: Path, text: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the digest of each line; skip empty lines and comments."""
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line.strip() or line.startswith("#"):
            continue
        if (match := _SUM.fullmatch(line)) is None:
            raise ArtifactError(
                file, f"line {number} is not a digest and a name, as sha256sum writes them"
            )
        escaped, digest, name = match.groups()
        yield (_ESCAPE.sub(_unescaped, name) if escaped else name), digest.lower()


def _unescaped(match: re.Match[str]) -> str:
    return {"\\": "\\", "n": "\n", "r": "\r"}[match[1]]
