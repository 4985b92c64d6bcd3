"""The time to import the library, beside that of Flask and scikit-learn, which it imports too.

``python -m benchmarks.bench_import`` imports each in fresh processes, in turn, and prints the
median of the milliseconds, with the lowest and the highest, and their ratio in each round. It takes
half a minute.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median

ROUNDS = 5
SIDES = {
    "Flask and scikit-learn": "import flask, sklearn.base",
    "Flask-SKModels": "import flask_skmodels",
}
TIMED = "from time import perf_counter as now; start = now(); {}; print((now() - start) * 1e3)"


def milliseconds(code: str) -> float:
    command = [sys.executable, "-c", TIMED.format(code)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def report(name: str, values: list[float], digits: int = 0) -> None:
    least, most = min(values), max(values)
    print(f"{name:24}{median(values):6.{digits}f} ({least:.{digits}f} to {most:.{digits}f})")


if __name__ == "__main__":
    times = [{name: milliseconds(code) for name, code in SIDES.items()} for _ in range(ROUNDS)]
    for name in SIDES:
        report(name, [each[name] for each in times])
    base, ours = SIDES
    report("ratio", [each[ours] / each[base] for each in times], 2)
