"""The server time of the pages, in milliseconds of this thread.

``python -m benchmarks.bench_pages`` prints, for models of few and of many fields, the time of the
first page of a process, and the median and the largest time of the pages after it. The second
process finds the templates compiled.
"""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import thread_time

import numpy as np
import pandas as pd
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from flask_skmodels import Profile, SKModels

PAGES = 100
ROWS = 500
HTML = {"Accept": "text/html"}


def application(fields: int) -> Flask:
    """Return an application with a model of numbers and one text."""
    random = np.random.default_rng(0)
    X = pd.DataFrame({f"number_{index}": random.normal(size=ROWS) for index in range(fields)})
    X["town"] = random.choice(["Bergen", "Oslo", "Trondheim"], ROWS)
    numbers = [name for name in X.columns if name != "town"]
    columns = make_column_transformer(
        (StandardScaler(), numbers), (OneHotEncoder(handle_unknown="ignore"), ["town"])
    )
    pipeline = make_pipeline(columns, LogisticRegression()).fit(X, random.choice(["a", "b"], ROWS))
    app = Flask("pages")
    profile = Profile.of(X, None, pipeline)
    SKModels(app).add("model", pipeline, profile=profile, probability=True)
    return app


def measure(fields: int) -> str:
    """Return a line with the times of the page of a model."""
    client = application(fields).test_client()
    times = []
    for _ in range(PAGES):
        start = thread_time()
        response = client.get("/model/", headers=HTML)
        times.append((thread_time() - start) * 1000)
        if response.status_code != 200:
            raise RuntimeError(response.text)
    first, others = times[0], times[1:]
    return f"{fields:>6}  {first:>7.1f}  {median(others):>7.1f}  {max(others):>7.1f}"


def main() -> None:
    if sys.argv[1:]:
        print(measure(int(sys.argv[1])))
        return
    print("fields    first   median  largest")
    for fields in (4, 4, 100):
        command = [sys.executable, "-m", "benchmarks.bench_pages", str(fields)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(done.stdout, end="")


if __name__ == "__main__":
    main()
