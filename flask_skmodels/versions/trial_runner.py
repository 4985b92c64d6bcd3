"""Runs trials for the process that serves: one helper process forks for each trial.

The helper imports the library once, which takes a second, so that the trials of many files at
startup take little longer than one trial. The helper is a new Python process and not a fork of this
process, in which threads and native libraries may run.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import spawn
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from struct import Struct
from threading import Timer
from time import monotonic
from typing import IO, Self, cast

from flask_skmodels.artifacts.formats import split_name
from flask_skmodels.versions.trial_outcomes import TrialReport
from flask_skmodels.versions.trial_records import Note
from flask_skmodels.versions.trial_task import IN_TRIAL, TrialTask

START_SECONDS = 180.0  # in which Python must start and import the library on a busy machine
END_SECONDS = 5.0  # for the helper to end by itself
HEADER = Struct("!QQ")  # the lengths of two pickles: the limits and the note, and the task
REPORT = b"report: "  # begins the line that answers a task
CAN_FORK = hasattr(os, "fork")
_CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.stdin.buffer.readline()); "
    "from flask_skmodels.versions.trial_process import main; main()"
)
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_NO_ARENA = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # other pools reserve a GiB of addresses


class CannotStart(Exception):
    """The helper process cannot be started, or it has ended. The message is the reason."""


class TrialRunner:
    """Runs trials one after the other. Use it in a ``with`` block, whose end stops the helper."""

    def __init__(self) -> None:
        self._helper: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop()

    def run(self, task: TrialTask, note: Note) -> TrialReport:
        """Run a trial and wait for its end.

        The helper also keeps the outcome, in case this process is killed first.

        :param note: the record to keep
        :raises CannotStart: the helper process cannot be started
        """
        helper = self._helper = self._helper or _start(task)
        try:
            report = _exchange(helper, task, note)
        except (CannotStart, KeyboardInterrupt):
            _kill(helper)
            self._stop()
            raise
        except BaseException:  # this process ends; the helper keeps the outcome
            self._helper = None
            raise
        if not CAN_FORK:
            self._stop()
        return report

    def _stop(self) -> None:
        """End the helper, which ends by itself when its input ends."""
        helper, self._helper = self._helper, None
        if helper is not None:
            with helper:
                _pipe(helper.stdin).close()
                try:
                    helper.wait(END_SECONDS)
                except subprocess.TimeoutExpired:
                    _kill(helper)


def _start(task: TrialTask) -> subprocess.Popen[bytes]:
    is_skops = split_name(task.path)[1] == "skops"
    paths = json.dumps([path or os.getcwd() for path in sys.path])  # noqa: PTH109
    try:
        helper = subprocess.Popen(  # noqa: S603 - our own Python
            [_python(), "-P", "-c", _CODE, *(["skops.io"] if is_skops else [])],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # contains the reason if Python cannot start
            env={**os.environ, **_ONE_THREAD, **_NO_ARENA, IN_TRIAL: "1"},
            start_new_session=True,  # a Ctrl-C in the terminal is only for this process
        )
    except OSError as error:
        raise CannotStart(f"{_python()}: {error.strerror or error}") from error
    with suppress(OSError):  # if the helper has ended, the first task fails
        _write(helper, f"{paths}\n".encode())
    return helper


def _python() -> str:
    """Return the path of Python, even in a server that was not started by Python."""
    path = Path(os.fsdecode(spawn.get_executable() or ""))
    if "python" in path.name.lower() or "pypy" in path.name.lower():
        return str(path)
    own = Path(sys.prefix, "bin", "python3")
    return str(own if own.exists() else path)


def _exchange(helper: subprocess.Popen[bytes], task: TrialTask, note: Note) -> TrialReport:
    """Send a task, and return the report on it.

    :raises CannotStart: the helper has ended, or does not answer in time
    """
    with suppress(OSError):  # if the helper has ended, its last output says why
        parts = pickle.dumps((task.limits, note)), pickle.dumps(task)
        _write(helper, HEADER.pack(*map(len, parts)) + b"".join(parts))
    output = b""
    for part in _parts(helper, task.limits.seconds + START_SECONDS):
        output += part
        *lines, _ = output.split(b"\n")
        for line in lines:
            if line.startswith(REPORT):
                return TrialReport(**json.loads(line.removeprefix(REPORT)))
    last = output.decode("utf-8", "replace").strip().rpartition("\n")[2]
    raise CannotStart(f"{_python()}: {last[:300] or 'it has ended, or does not answer'}")


def _parts(helper: subprocess.Popen[bytes], seconds: float) -> Iterator[bytes]:
    """Yield the output of the helper, until it has ended or the time is over."""
    output = _pipe(helper.stdout)
    deadline = monotonic() + seconds
    if not CAN_FORK:  # Windows cannot wait for a pipe
        timer = Timer(seconds, helper.kill)
        timer.start()
        yield output.read()
        timer.cancel()
        return
    with DefaultSelector() as selector:
        selector.register(output, EVENT_READ)
        while selector.select(deadline - monotonic()) and (part := output.read(65536)):
            yield part


def _write(helper: subprocess.Popen[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[_pipe(helper.stdin).write(view) :]


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    """Return a stream that is known to be a pipe and has no buffer."""
    return cast(IO[bytes], stream)


def _kill(helper: subprocess.Popen[bytes]) -> None:
    """Kill the helper and the process of its trial, which is in the same session."""
    if not CAN_FORK:
        helper.kill()
    elif helper.returncode is None:  # later, its number may belong to another process
        with suppress(OSError):
            os.killpg(helper.pid, signal.SIGKILL)
