"""Servers in processes of their own, on loopback, and the memory that they take."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

HOST = "127.0.0.1"
LIFETIME = 3600  # seconds: should nobody be left to stop a server, timeout(1) does
SOON = 3  # seconds in which a process does what a signal says
GONE = (ProcessLookupError, FileNotFoundError, PermissionError)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs.

    :param pid: of its first process
    :param port: where it listens
    :param log: what it has written
    :param is_restless: whether it works while nobody asks it, and so is stopped meanwhile
    """

    pid: int
    port: int
    log: Path
    is_restless: bool = False

    def processes(self) -> list[int]:
        """Return its process and all that descend from it."""
        return descendants(self.pid)

    def memory(self) -> int:
        """Return the bytes that its processes take, shared pages by their share (PSS)."""
        return sum(_proportional_set(pid) for pid in self.processes())

    def ticks(self) -> int:
        """Return the processor time that its processes have used, in the kernel's ticks."""
        return sum(_ticks(pid) for pid in self.processes())

    def runs(self) -> bool:
        return _runs(self.pid)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let a restless server run in the block, and stop it again at its end."""
        if not self.is_restless:
            yield
            return
        _signal(self._own(), signal.SIGCONT)
        try:
            yield
        finally:
            _signal(self._own(), signal.SIGSTOP)
            _wait_until(lambda: not any(map(_works, self._own())))

    def _own(self) -> list[int]:
        """Return its processes but for timeout(1), which is to end them in any case."""
        return self.processes()[1:]

    def last_words(self) -> str:
        """Return the end of its log."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-15:])


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(
    command: Sequence[str],
    port: int,
    folder: Path,
    environment: Mapping[str, str],
    *,
    is_restless: bool = False,
) -> Iterator[Server]:
    """Run a server until the end of the block.

    :param folder: its working directory, where its log goes
    :param environment: its environment variables
    :param is_restless: as of :class:`Server`
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["timeout", "--kill-after=5", str(LIFETIME), *command],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield Server(process.pid, port, log, is_restless)
    finally:
        _stop(process)


def descendants(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents = dict(filter(None, map(_with_parent, Path("/proc").glob("[0-9]*"))))
    found = [pid]
    for process in found:
        found.extend(child for child, parent in parents.items() if parent == process)
    return found


def _with_parent(folder: Path) -> tuple[int, int] | None:
    fields = _stat(int(folder.name))
    return (int(folder.name), int(fields[1])) if fields else None


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _proportional_set(pid: int) -> int:
    try:
        told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except GONE:
        return 0
    found = re.search(r"^Pss: +(\d+) kB$", told, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and whatever descends from it, some of which may be in sessions of their own."""
    started = descendants(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _signal(started, signal.SIGCONT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(10)
    _wait_until(lambda: not any(map(_runs, started)))
    _signal(filter(_runs, started), signal.SIGKILL)
    process.wait(10)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _wait_until(is_over: Callable[[], bool]) -> None:
    deadline = monotonic() + SOON
    while not is_over() and monotonic() < deadline:
        sleep(0.01)


def _runs(pid: int) -> bool:
    return _state(pid) not in {"", "Z"}


def _works(pid: int) -> bool:
    return _state(pid) not in {"", "Z", "T"}


def _state(pid: int) -> str:
    """Return the letter that the kernel has for the state of a process, empty where it is gone."""
    return "".join(_stat(pid)[:1])


def _stat(pid: int) -> list[str]:
    """Return the fields of a process from its state on, see proc(5); none where it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except GONE:
        return []
