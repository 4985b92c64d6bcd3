"""A virtual environment for each peer, in a cache folder, built when it is first needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from venv import EnvBuilder

from benchmarks import HERE

REQUIREMENTS = HERE / "environments"
SHARED = ("joblib", "numpy", "pandas", "scikit-learn")  # equal everywhere, so that answers are
MAX_SECONDS = 900  # of one installation


class NotBuilt(Exception):
    """A peer's requirements cannot be installed; the message is pip's last lines."""


class Environment:
    """The Python of a peer.

    :param name: that of the file of its requirements, without the suffix; empty for the Python that
        runs the benchmarks
    :param cache: the folder of all environments
    """

    def __init__(self, name: str, cache: Path) -> None:
        self.name = name
        self.folder = cache / "environments" / name

    @property
    def bin(self) -> Path:
        """The folder of its commands."""
        return self.folder / "bin" if self.name else Path(sys.executable).parent

    @property
    def python(self) -> str:
        return str(self.bin / "python") if self.name else sys.executable

    def build(self) -> None:
        """Make it, unless it stands as its requirements say now.

        :raises NotBuilt: the requirements cannot be installed
        """
        if not self.name or self._mark.is_file():
            return
        EnvBuilder(clear=True, with_pip=True).create(self.folder)
        self._pip("install", "--quiet", *self._requirements)
        self._mark.touch()

    def versions(self) -> dict[str, str]:
        """Return the version of each distribution that is installed, by name in lower case."""
        listed = json.loads(self._pip("list", "--format", "json"))
        return {found["name"].lower(): found["version"] for found in listed}

    @property
    def _requirements(self) -> list[str]:
        listed = (REQUIREMENTS / f"{self.name}.txt").read_text(encoding="utf-8").splitlines()
        own = filter(None, (line.partition("#")[0].strip() for line in listed))
        return [*map(_with_version, own), *(f"{name}=={version(name)}" for name in SHARED)]

    @property
    def _mark(self) -> Path:
        digest = sha256("\n".join(self._requirements).encode()).hexdigest()[:16]
        return self.folder / f"built-{digest}"

    def _pip(self, *arguments: str) -> str:
        command = [self.python, "-m", "pip", "--disable-pip-version-check", *arguments]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=MAX_SECONDS
        )
        if done.returncode:
            raise NotBuilt("\n".join(done.stderr.strip().splitlines()[-5:]))
        return done.stdout


def _with_version(requirement: str) -> str:
    """Return a requirement; one that ends with ``==`` gets the version that is installed here."""
    name, is_same, wanted = requirement.partition("==")
    return f"{name}=={version(name)}" if is_same and not wanted else requirement


def build(names: Iterable[str], cache: Path) -> dict[str, str]:
    """Build environments; return why not for each that cannot be built."""
    failed = {}
    for name in names:
        try:
            Environment(name, cache).build()
            print(f"environment {name or 'of this Python'}: built", flush=True)
        except (NotBuilt, subprocess.TimeoutExpired) as error:
            failed[name] = str(error)
            print(f"environment {name}: not built: {error}", flush=True)
    return failed
