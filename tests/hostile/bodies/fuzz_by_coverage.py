"""Fuzz the decoders with atheris, which chooses bodies by the lines of the library that they reach.

``python -m tests.hostile.bodies.fuzz_by_coverage FOLDER -max_total_time=60`` takes the options of
libFuzzer and keeps the bodies that reached new lines in the folder. ``pip install atheris`` first.
"""

from __future__ import annotations

import sys
from importlib import import_module


def main() -> None:
    """Run from the command line. The first byte of a body chooses its format."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["flask_skmodels"]):
        fuzz = import_module("tests.hostile.bodies.fuzz")
    application = fuzz.Application()

    def run(data: bytes) -> None:
        if data:
            target = application.targets[data[0] % len(application.targets)]
            fuzz.send(application, target, data[1:], is_packed=False)

    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
