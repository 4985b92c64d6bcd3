"""Loads and calls artifacts, each in a process of its own with limits of time and memory.

It runs as a script. Each line of its input describes an artifact in JSON; for each, one line of
JSON goes to its output. The libraries are imported once, and a copy of the process tries each file.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

SECONDS = 20
MEMORY = 1 << 30  # bytes that the process may take beyond those of the imports


def try_file(case: dict[str, Any]) -> str:
    """Return the result of serving one file: the reason of a refusal, or a status."""
    from flask import Flask

    from flask_skmodels import Artifact, Model, SKModels
    from flask_skmodels.config import KEYS
    from flask_skmodels.exceptions import SKModelsError

    app = Flask("hostile", root_path=case["root"])
    app.config["SKMODELS_TRUST_PICKLE"] = True
    if "TRIAL" in KEYS:
        app.config["SKMODELS_TRIAL"] = False
    models = SKModels()
    pipeline = Artifact(case["path"], trusted=case.get("trusted", ()))
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


def _run(case: dict[str, Any], output: int) -> None:
    """Try a file with limits, and write the result."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        result = try_file(case)
    except BaseException as error:
        result = f"raised: {type(error).__name__}: {error}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    os.write(output, json.dumps([result[:300], grown]).encode())


def in_a_child(case: dict[str, Any]) -> dict[str, Any]:
    """Return the result of one file; a process that crashes or hangs is one too."""
    reading, writing = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if not child:
        signal.alarm(SECONDS)
        with suppress(BaseException):
            _run(case, writing)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file:
        data = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    result, grown = json.loads(data) if status == 0 else ("nothing", 0)
    seconds = round(time.monotonic() - started, 2)
    return {"result": result, "exit": status, "kilobytes": grown, "seconds": seconds}


def main() -> None:
    import sklearn.ensemble
    import sklearn.neighbors
    import sklearn.svm  # noqa: F401 - imported once for all children
    import skops.io  # noqa: F401

    import flask_skmodels  # noqa: F401

    warnings.simplefilter("ignore")
    output = os.dup(1)
    os.dup2(2, 1)  # native code may print
    for line in sys.stdin:
        os.write(output, f"{json.dumps(in_a_child(json.loads(line)))}\n".encode())


if __name__ == "__main__":
    main()
