"""The time to import the library, beside that of Flask and scikit-learn.

``python -m benchmarks.bench_import`` imports each in fresh processes, in turn, and prints the
median of the milliseconds, with the lowest and the highest.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

ROUNDS = 9
SIDES = {
    "Flask and scikit-learn": "import flask, sklearn.base",
    "Flask-SKModels": "import flask_skmodels",
}
TIMED = "from time import perf_counter as now; start = now(); {}; print((now() - start) * 1e3)"


def milliseconds(code: str) -> float:
    command = [sys.executable, "-c", TIMED.format(code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


if __name__ == "__main__":
    times = [{name: milliseconds(code) for name, code in SIDES.items()} for _ in range(ROUNDS)]
    for name in SIDES:
        found = sorted(each[name] for each in times)
        print(f"{name:24}{median(found):6.0f} ({found[0]:.0f} to {found[-1]:.0f})")
