"""The Open Inference Protocol by ``tritonclient``: one row in binary, and many.

``pytest benchmarks/bench_dialects.py -o python_files='bench_*.py' -s`` prints the ratios, with
``SKMODELS_TEST_CLIENTS`` as for the tests of clients. One gunicorn worker serves; both sides of a
ratio are timed in turn, round by round; the ratio is the median of the rounds, with quartiles.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.gunicorn import HOST, ROOT, gunicorn

APP = """
import numpy as np
from flask import Flask
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flask_skmodels import SKModels

app = Flask("bench")
app.config["SKMODELS_DIALECTS"] = ["open-inference"]
models = SKModels(app)
chance = np.random.default_rng(0)
for name, width in (("few", 4), ("wide", 20)):
    X = chance.normal(size=(300, width))
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 0)
    models.add(name, pipeline, schema={f"f{i}": {} for i in range(width)})
"""


def test_dialects(tmp_path: Path) -> None:
    folder = os.environ.get("SKMODELS_TEST_CLIENTS")
    if not folder:
        pytest.skip("SKMODELS_TEST_CLIENTS names no folder of tests/clients/install.py")
    script = Path(__file__).parent / "triton_rounds.py"
    python = Path(folder, "mlserver/bin/python")
    with gunicorn(tmp_path, APP, workers=1) as server:
        subprocess.run([python, script, f"{HOST}:{server.port}"], check=True, cwd=ROOT)
