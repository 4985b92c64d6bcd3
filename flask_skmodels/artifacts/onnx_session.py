"""Run a graph of ONNX, in this process or in one that ends when it has answered.

This file is also what that process runs, by itself: it imports nothing of the library.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import spawn
from typing import Any

import numpy as np

_SECONDS = 120


def start(graph: bytes) -> Any:
    """Return a session of ONNX Runtime that computes on one thread, the caller's.

    :raises Exception: ONNX Runtime refuses the graph; its exceptions have no class in common
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is fatal alone: the rest is raised
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run_aside(graph: bytes, feed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs of a graph, computed in a process of their own.

    ONNX Runtime starts a thread when it is imported, which a fork would lose: nothing of it is left
    in this process.

    :param graph: the bytes of a graph whose outputs are all tensors
    :param feed: for each input of the graph its array
    :raises RuntimeError: it could not be run; the message says why
    """
    packed = io.BytesIO()
    plain = {name: a.astype(str) if a.dtype == np.object_ else a for name, a in feed.items()}
    np.savez(packed, *plain.values(), graph=np.frombuffer(graph, np.uint8), names=list(plain))
    command = [spawn.get_executable(), "-P", __file__]
    done = subprocess.run(  # noqa: S603 - this interpreter, this file
        command, input=packed.getvalue(), capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["it died"]
        raise RuntimeError(lines[-1])
    with np.load(io.BytesIO(done.stdout)) as found:
        return {str(name): found[f"arr_{place}"] for place, name in enumerate(found["names"])}


def answer(packed: bytes) -> bytes:
    """Return the packed outputs of a packed graph and its inputs, of :func:`run_aside`."""
    with np.load(io.BytesIO(packed)) as given:
        session = start(given["graph"].tobytes())
        arrays = [given[f"arr_{place}"] for place in range(len(given["names"]))]
        names = map(str, given["names"])
    objects = [array.astype(object) if array.dtype.kind == "U" else array for array in arrays]
    found = session.run(None, dict(zip(names, objects, strict=True)))
    plain = [part.astype(str) if part.dtype == np.object_ else part for part in found]
    out = io.BytesIO()
    np.savez(out, *plain, names=[output.name for output in session.get_outputs()])
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(answer(sys.stdin.buffer.read()))
