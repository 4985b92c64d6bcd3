"""The helper process of trials, and the processes that it forks: load a version and call it.

``trial_runner`` starts the helper and sends it tasks: each task is a header and two pickles. The
helper keeps the outcome of each task, and answers with a line of JSON that has the fields of
``TrialReport``. If the process that serves is killed, the helper still ends its trial and keeps the
outcome. On Windows, where nothing forks, the helper runs one trial itself and ends.
"""

from __future__ import annotations

import json
import os
import pickle
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from time import monotonic, sleep
from typing import Any, BinaryIO

from flask_skmodels.artifacts.loading import Loaded, load
from flask_skmodels.engines.lean.compiler import Decline
from flask_skmodels.engines.lean.probes import Probes, row_slice
from flask_skmodels.estimators import introspect
from flask_skmodels.exceptions import ArtifactError, InvalidInput, in_one_line
from flask_skmodels.models import Model
from flask_skmodels.schema.rows import from_python
from flask_skmodels.schema.types import ModelInput
from flask_skmodels.versions.discovery import File
from flask_skmodels.versions.loader import VersionLoader
from flask_skmodels.versions.trial_outcomes import TrialReport, outcome_of
from flask_skmodels.versions.trial_runner import CAN_FORK, HEADER, REPORT
from flask_skmodels.versions.trial_task import TrialTask
from flask_skmodels.versions.version import ModelVersion

POLL_SECONDS = 0.01
ROWS = 32  # probe rows of one call
MIN_TIMES_SIZE = 10  # a trial may take this many times the size of the file, whatever the limit
_resource: Any = None  # on Windows, where memory is not limited
with suppress(ImportError):
    _resource = import_module("resource")
_MODULE = re.compile(r"module '([\w.]+)'")


def main() -> None:
    """Run the trials that are requested on standard input, until it ends.

    The arguments are modules that are imported once, so that the forked processes need not import
    them.
    """
    for name in sys.argv[1:]:
        with suppress(ImportError):
            import_module(name)
    output = _take_output()
    while header := sys.stdin.buffer.read(HEADER.size):
        first, task = map(sys.stdin.buffer.read, HEADER.unpack(header))
        limits, note = pickle.loads(first)  # noqa: S301 - it comes from the process that serves
        report = _fork(task, limits.seconds) if CAN_FORK else _run_here(task)
        outcome = outcome_of(report, limits)
        if outcome.is_kept:
            note.end(outcome.refusal)
        output.write(b"%b%b\n" % (REPORT, json.dumps(asdict(report)).encode()))
    os._exit(0)  # so that threads that a version has started do not keep the process


def _fork(task: bytes, seconds: float) -> TrialReport:
    """Run a trial in a fork of this process, in which no thread and no estimator has run."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.write(writing, json.dumps(_limited_trial(task)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    status, is_late = _wait(process, seconds)
    return TrialReport(status, is_late, _result_in(reading))


def _wait(process: int, seconds: float) -> tuple[int, bool]:
    """Return the status of a process and whether it had to be stopped."""
    deadline = monotonic() + seconds
    while monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), False
        sleep(POLL_SECONDS)
    os.kill(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), True


def _result_in(reading: int) -> Any:
    """Return the object in a pipe, None if there is none. It is shorter than a pipe's buffer."""
    os.set_blocking(reading, False)
    try:
        return json.loads(os.read(reading, 65536))
    except (OSError, ValueError):
        return None
    finally:
        os.close(reading)


def _limited_trial(data: bytes) -> dict[str, Any]:
    task: TrialTask = pickle.loads(data)  # noqa: S301 - it comes from the process that serves
    _limit_memory(task)
    return try_version(task)


def _run_here(data: bytes) -> TrialReport:
    """Run a trial in this process, because there is no fork. A crash ends it without an answer."""
    return TrialReport(0, False, try_version(pickle.loads(data)))  # noqa: S301


def try_version(task: TrialTask) -> dict[str, Any]:
    """Load a version and call its methods on a few rows.

    An exception of the version after it was loaded is ignored: the process that serves has the
    application's own classes, makes the same checks with them, and reports the exception.

    :returns: ``outcome``: ``"passed"``, ``"refused"`` with the ``reason`` and the ``module`` that
        could not be imported, or ``"memory"``
    """
    try:
        loaded = load(task.artifact, task.policy)
    except Exception as error:
        return _failure(error)
    try:
        for model in (task.model(), task.bare_model()):
            with _only_memory_errors():
                _call_methods(_version_of(task, model, loaded))
                break
    except MemoryError:
        return {"outcome": "memory"}
    return {"outcome": "passed"}


def _version_of(task: TrialTask, model: Model, loaded: Loaded) -> ModelVersion:
    available = introspect.methods(loaded.estimator)
    if model.methods is not None and not isinstance(model.methods, str):
        model.methods = [method for method in model.methods if method in available] or None
    model.probability = model.probability and "predict_proba" in available
    loader = VersionLoader(model, task.artifact, task.policy)
    return loader.version_of(None, File(task.artifact, (0, 0, 0, 0)), loaded)


def _call_methods(version: ModelVersion) -> None:
    """Call the methods of a version on its examples and on probe rows, ignoring exceptions."""
    for X in _inputs_of(version):
        for method in version.methods:
            with _only_memory_errors():
                version.callable(method)(X)


def _inputs_of(version: ModelVersion) -> Iterator[ModelInput]:
    with suppress(InvalidInput):
        if version.model.examples:
            yield version.schema.clean(from_python(version.model.examples))
    with suppress(Decline):
        probes = Probes(version.schema, None, (), takes_any_type=True)
        columns = probes.sample(ROWS)
        yield probes.build(columns)
        yield probes.build(row_slice(columns, 0, 1))


@contextmanager
def _only_memory_errors() -> Iterator[None]:
    """Ignore all exceptions except those for missing memory.

    :raises MemoryError: the block needs more memory than there is
    """
    try:
        yield
    except Exception as error:
        if any(isinstance(each, MemoryError) for each in _chain(error)):
            raise MemoryError from error


def _failure(error: Exception) -> dict[str, Any]:
    chain = list(_chain(error))
    if any(isinstance(each, MemoryError) for each in chain):
        return {"outcome": "memory"}
    reason = error.reason if isinstance(error, ArtifactError) else in_one_line(error)
    modules = [module for each in chain if (module := _missing_module(each))]
    return {"outcome": "refused", "reason": reason, "module": modules[0] if modules else None}


def _missing_module(error: BaseException) -> str | None:
    """Return the module that could not be imported, or that lacks a class."""
    if isinstance(error, ImportError) and error.name:
        return error.name
    match = _MODULE.search(str(error)) if isinstance(error, AttributeError) else None
    return None if match is None else match[1]


def _chain(error: BaseException) -> Iterator[BaseException]:
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__ or each.__context__


def _take_output() -> BinaryIO:
    """Return the standard output; what libraries print from now on is dropped."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return output


def _limit_memory(task: TrialTask) -> None:
    if _resource is None:
        return
    most = max(task.limits.max_bytes, MIN_TIMES_SIZE * _size_of(task.path)) + _memory_in_use()
    with suppress(ValueError, OSError):  # a platform without this limit, or a stricter one
        _resource.setrlimit(_resource.RLIMIT_AS, (most, most))
    with suppress(ValueError, OSError):
        _resource.setrlimit(_resource.RLIMIT_CORE, (0, 0))


def _memory_in_use() -> int:
    """Return the size of the address space in bytes, 0 where it is not known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (OSError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _size_of(path: Path) -> int:
    """Return the size of a file, or of the files in a folder, in bytes."""
    try:
        files = path.iterdir() if path.is_dir() else [path]
        return sum(file.lstat().st_size for file in files)
    except OSError:
        return 0  # loading the file raises the error
