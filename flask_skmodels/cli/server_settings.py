"""The settings of gunicorn on this machine, read without running them, and the memory in use."""

from __future__ import annotations

import ast
import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

CONFIGURATION = "gunicorn.conf.py"
_NAMES = {"workers": "workers", "threads": "threads", "preload_app": "preload"}
_OPTIONS = {"-w": "workers", "--workers": "workers", "--threads": "threads"}


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The settings of gunicorn that decide how much memory the server takes.

    :param workers: the number of processes; None if it is not set, or set by an expression
    :param threads: the number of threads of each process; None if it is not set, or set by an
        expression
    :param preload: whether the application is loaded before the processes are forked
    :param source: where the settings come from, empty if there are none
    """

    workers: int | None = None
    threads: int | None = None
    preload: bool = False
    source: str = ""


def server_settings(folder: Path) -> ServerSettings:
    """Return the settings of gunicorn, as far as they are constants.

    Later sources take precedence, as in gunicorn: ``WEB_CONCURRENCY``, then ``gunicorn.conf.py`` in
    the folder that gunicorn is started in, then ``GUNICORN_CMD_ARGS``.

    :param folder: that folder
    """
    found = ServerSettings()
    concurrency = os.environ.get("WEB_CONCURRENCY", "")
    if concurrency.isdecimal():
        found = replace(found, workers=int(concurrency), source="WEB_CONCURRENCY")
    sources = {
        CONFIGURATION: _in_file(folder / CONFIGURATION),
        "GUNICORN_CMD_ARGS": _in_arguments(os.environ.get("GUNICORN_CMD_ARGS", "")),
    }
    for source, values in sources.items():
        if values:
            named = ", ".join(filter(None, [found.source, source]))
            found = replace(found, **values, source=named)
    return found


def _in_file(path: Path) -> dict[str, Any]:
    """Return the constants that a configuration file of gunicorn sets; it is not run."""
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError):
        return {}
    values: dict[str, Any] = {}
    for node in module.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        for name in (_NAMES.get(t.id) for t in targets if isinstance(t, ast.Name)):
            if name is not None and isinstance(node, ast.Assign):
                values[name] = node.value.value if isinstance(node.value, ast.Constant) else None
    return {name: value for name, value in values.items() if _is_valid(name, value)}


def _is_valid(name: str, value: Any) -> bool:
    if name == "preload":
        return isinstance(value, bool)
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


def _in_arguments(line: str) -> dict[str, Any]:
    """Return the settings in a command line of gunicorn."""
    try:
        words = shlex.split(line)
    except ValueError:
        return {}
    values: dict[str, Any] = {"preload": True} if "--preload" in words else {}
    for index, word in enumerate(words):
        option, separator, value = word.partition("=")
        if not separator:
            value = words[index + 1] if index + 1 < len(words) else ""
        if option in _OPTIONS and value.isdecimal():
            values[_OPTIONS[option]] = int(value)
    return values


def process_bytes() -> int | None:
    """Return the memory that this process has in use, in bytes; None if it is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
