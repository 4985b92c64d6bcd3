"""Hints for the end of an error message: the nearest known name, or how to install an extra.

The command depends on what pip has recorded of the library, which is also where ``__version__``
comes from.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shlex import quote
from shutil import which
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

PROJECT = "Flask-SKModels"
NEAR = 0.8  # in difflib's measure: names with four of five characters in common
LIKELY = 0.65  # near enough for a hint about a name that is certainly wrong


def _version() -> str:
    try:
        return distribution(PROJECT).version
    except PackageNotFoundError:  # the source is on the path without being installed
        return "unknown"


__version__ = _version()


def nearest_name(name: str, known: Iterable[str], least: float = NEAR) -> str | None:
    """Return the known name that a misspelt name stands for, None if no known name is near.

    :param least: the similarity that counts as near, from 0 to 1
    """
    return next(iter(get_close_matches(name, list(known), 1, least)), None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name, empty if no known name is near."""
    found = nearest_name(name, known, LIKELY)
    return "" if found is None else f"; did you mean {found!r}?"


def extra(name: str) -> str:
    """Return the name of an extra in words for a client, without a path of this machine."""
    return f"the extra {name!r} of {PROJECT}"


def install_line(name: str, *, is_upgrade: bool = False) -> str:
    """Return the command that installs an extra of this library from where the library came from.

    If the library was installed from a folder, an archive or a repository, it may not be in the
    package index, or a different version may be there.

    :param name: name of the extra, or several names separated by commas
    :param is_upgrade: whether the packages of the extra are installed but too old
    """
    command = pip_install("-U") if is_upgrade else pip_install()
    folder = checkout()
    if folder is not None:
        return f"{command} -e {quote(f'{_shown(folder)}[{name}]')}"
    return f"{command} {quote(requirement(name))}"


def pip_install(*arguments: str) -> str:
    """Return the pip command that installs packages for the running Python.

    This is ``pip install`` if that Python's pip is the first on the path, as in an activated
    environment.
    """
    found = which("pip")
    is_first = found is not None and Path(found).parent == Path(sys.executable).parent
    pip = "pip" if is_first else f"{quote(sys.executable)} -m pip"
    return " ".join([pip, "install", *arguments])


def requirement(name: str) -> str:
    """Return the requirement of an extra in pip's format."""
    origin = _origin()
    url = origin.get("url", "")
    if "dir_info" in origin:
        return f"{_shown(_path_of(url))}[{name}]"
    if "vcs_info" in origin:
        vcs = origin["vcs_info"]
        return f"{PROJECT}[{name}] @ {vcs['vcs']}+{url}@{vcs['commit_id']}"
    return f"{PROJECT}[{name}] @ {url}" if url else f"{PROJECT}[{name}]"


def checkout() -> Path | None:
    """Return the folder of the source that runs, None if the installed library is a copy."""
    folder = Path(__file__).resolve().parent.parent
    return folder if folder.joinpath("setup.cfg").is_file() else None


@cache
def _origin() -> dict[str, Any]:
    """Return pip's record of the origin of the library; empty for the package index."""
    try:
        text = distribution(PROJECT).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    document = json.loads(text) if text else {}
    return document if isinstance(document, dict) else {}


def _path_of(url: str) -> Path:
    return Path(url2pathname(unquote(urlsplit(url).path)))


def _shown(folder: Path) -> str:
    return "." if folder == Path.cwd() else str(folder)
