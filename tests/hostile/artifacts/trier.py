"""Loads and calls artifacts in a process with limits of time and memory.

It runs as a script. Each line of its input describes an artifact in JSON; for each, one line of
JSON goes to its output. The libraries are imported once. A copy of the process tries the files, one
after the other, and if one of them kills it, the next copy goes on. The arguments are modules to
import, and ``--all-rows`` to verify lean forms with all probes.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

SECONDS = 20
MEMORY = 1 << 30  # bytes that the process may take beyond those in use
PAGE = resource.getpagesize()


def try_file(case: dict[str, Any]) -> str:
    """Return the result of serving one file: the reason of a refusal, or a status."""
    from flask import Flask

    from flask_skmodels import Artifact, Model, SKModels
    from flask_skmodels.exceptions import SKModelsError

    app = Flask("hostile", root_path=case["root"])
    app.config.update(SKMODELS_TRUST_PICKLE=True, SKMODELS_TRIAL=False)
    models = SKModels()
    pipeline = Artifact(
        case["path"], trusted=case.get("trusted", ()), mmap_mode=case.get("mmap_mode")
    )
    methods = case.get("methods")
    models.register(Model(name="hostile", pipeline=pipeline, methods=methods))
    try:
        models.init_app(app)
    except SKModelsError as error:
        return f"refused: {error}"
    client, statuses = app.test_client(), set()
    for method in client.get("/hostile/").get_json()["methods"]:
        for rows in ([case["row"]], [case["row"]] * 3):
            statuses.add(client.post(f"/hostile/{method}/", json=rows).status_code)
    return f"served: {sorted(statuses)}"


def limited(case: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one file, and the memory and time that it took."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * PAGE
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    before, started = resident(), time.monotonic()
    signal.alarm(SECONDS)
    try:
        result = try_file(case)
    except BaseException as error:
        result = f"raised: {type(error).__name__}: {error}"
    signal.alarm(0)
    return outcome_of(result, 0, peak() - before, started)


def outcome_of(result: str, status: int, kilobytes: int, started: float) -> dict[str, Any]:
    seconds = round(time.monotonic() - started, 2)
    return {"result": result[:300], "exit": status, "kilobytes": kilobytes, "seconds": seconds}


def resident() -> int:
    """Return the memory in use in kilobytes, and begin to record its peak anew."""
    Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE // 1024


def peak() -> int:
    """Return the highest memory in use since :func:`resident`, in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def lines() -> Iterator[str]:
    """Yield the lines of the input, reading no further than each."""
    line = b""
    while part := os.read(0, 1 << 16):
        line += part
        if line.endswith(b"\n"):  # a line is sent when the one before is answered
            yield line.decode()
            line = b""


def serve(output: int) -> None:
    """Try files until the input ends, each in this process or, if it dies, in the next."""
    child = os.fork()
    while child:
        started = time.monotonic()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            return
        write(output, outcome_of("nothing", status, 0, started))
        child = os.fork()
    with suppress(BaseException):
        for line in lines():
            write(output, limited(json.loads(line)))
        os._exit(0)
    os._exit(1)


def write(output: int, outcome: dict[str, Any]) -> None:
    os.write(output, f"{json.dumps(outcome)}\n".encode())


def main() -> None:
    from flask_skmodels.engines.lean import verify

    modules = sys.argv[1:]
    if "--all-rows" not in modules:
        verify._PARTS = verify._PARTS[:2]
    for name in modules:
        with suppress(ImportError):
            import_module(name)
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    output = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # native code may print
    serve(output)


if __name__ == "__main__":
    main()
