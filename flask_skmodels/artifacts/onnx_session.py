"""Runs a graph of ONNX, in this process or in one that ends after the run.

The process that ends after the run executes this file as a script, so the file imports nothing from
the library.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import spawn
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from flask_skmodels.schema.types import Array

_SECONDS = 120


def start(graph: bytes) -> Any:
    """Return a session of ONNX Runtime that computes on the thread of its caller.

    :param graph: the bytes of the graph
    :raises Exception: ONNX Runtime refuses the graph; its exceptions have no common base class
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # fatal errors only: others are raised
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def run_in_subprocess(graph: bytes, feed: Mapping[str, Array]) -> dict[str, Array]:
    """Return the outputs of a graph by name, computed in another process.

    ONNX Runtime starts a thread when it is imported, and a fork would lose that thread. So it is
    not imported in this process.

    :param graph: the bytes of a graph whose outputs are all tensors
    :param feed: an array for each input of the graph
    :raises RuntimeError: the graph could not be run; the message is the last line of the error
    """
    packed = io.BytesIO()
    plain = {name: a.astype(str) if a.dtype == np.object_ else a for name, a in feed.items()}
    np.savez(packed, *plain.values(), graph=np.frombuffer(graph, np.uint8), names=list(plain))
    command = [spawn.get_executable(), "-P", __file__]
    done = subprocess.run(  # noqa: S603 - this interpreter, this file
        command, input=packed.getvalue(), capture_output=True, timeout=_SECONDS, check=False
    )
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["the process died"]
        raise RuntimeError(lines[-1])
    with np.load(io.BytesIO(done.stdout)) as outputs:
        return {str(name): outputs[f"arr_{index}"] for index, name in enumerate(outputs["names"])}


def run_packed(packed: bytes) -> bytes:
    """Run a graph that :func:`run_in_subprocess` packed with its inputs; pack the outputs."""
    with np.load(io.BytesIO(packed)) as given:
        session = start(given["graph"].tobytes())
        arrays = [given[f"arr_{index}"] for index in range(len(given["names"]))]
        names = map(str, given["names"])
    objects = [array.astype(object) if array.dtype.kind == "U" else array for array in arrays]
    outputs = session.run(None, dict(zip(names, objects, strict=True)))
    plain = [array.astype(str) if array.dtype == np.object_ else array for array in outputs]
    packed_outputs = io.BytesIO()
    np.savez(packed_outputs, *plain, names=[output.name for output in session.get_outputs()])
    return packed_outputs.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(run_packed(sys.stdin.buffer.read()))
