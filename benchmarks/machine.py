"""What is to be told of the machine and of the moment of a run."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import Environment

QUIET = 0.5  # load average over which the figures are not to be trusted


def facts() -> dict[str, str]:
    """Return the machine, the date and how busy it is, in words."""
    load = os.getloadavg()[0]
    return {
        "Date": datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC").lstrip("0"),
        "Processor": f"{_processor()}, {os.cpu_count()} cores",
        "Memory": _memory(),
        "System": f"{platform.system()} {platform.release().partition('-')[0]}",
        "Python": platform.python_version(),
        "Load average before the run": f"{load:.2f}",
    }


def versions(names: Iterable[str], cache: Path) -> dict[str, dict[str, str]]:
    """Return what is installed in environments, by their name."""
    return {name: Environment(name, cache).versions() for name in names}


def is_busy() -> bool:
    """Return whether something else runs on the machine."""
    return os.getloadavg()[0] > QUIET


def _processor() -> str:
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*: (.+)$", told, re.MULTILINE)
    return found[1] if found else platform.machine()


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"
