"""ONNX Runtime as the engine of a model: compared with the estimator at load, or refused."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import skl2onnx
from flask import Flask
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC

from flask_skmodels import Artifact, ModelError, SKModels
from flask_skmodels.artifacts.onnx_session import run_in_subprocess, run_packed
from flask_skmodels.hints import install_line
from tests.support.helpers import X, Y

SAME_PROCESS = pytest.mark.usefixtures("same_process")
RANDOM = np.random.default_rng(0)
LABELS = np.array(["setosa", "versicolor", "virginica"])[Y]


def serve(
    estimator: Any, tolerance: float | None = None, **options: Any
) -> tuple[SKModels, Flask, dict[str, Any]]:
    """Return an extension, an application and what it says of the engine."""
    models, app = SKModels(), Flask("onnx")
    if tolerance is not None:
        app.config["SKMODELS_ONNX_TOLERANCE"] = tolerance
    models.add("case", estimator, **({"engine": "onnx"} | options))
    models.init_app(app)
    description = app.test_client().get("/case/").json or {}
    return models, app, description["engine"]


class CompletedHere:
    """Takes the place of :func:`subprocess.run`: it runs the graph in this process."""

    returncode = 0

    def __init__(self, command: Any, **options: Any) -> None:
        self.stdout = run_packed(options["input"])


@pytest.fixture
def same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run graphs without a new process for each, where the process is not what is tested."""
    monkeypatch.setattr(subprocess, "run", CompletedHere)


def test_classifier_in_doubles() -> None:
    check_classifier(Y)


@SAME_PROCESS
def test_classifier_of_texts_in_doubles() -> None:
    check_classifier(LABELS)


def check_classifier(labels: Any) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels)
    models, app, engine = serve(estimator, probability=True)
    assert engine["name"] == "onnx"
    assert engine["reason"] is None
    assert engine["rows"] == 512
    assert engine["differing_labels"] == 0.0
    assert engine["largest_difference"] < 1e-12
    predicted = models.predict("case", X, app=app).outputs
    assert predicted.dtype == labels.dtype
    assert (predicted == estimator.predict(X)).all()
    found = models.predict("case", X, "predict_proba", app=app).outputs
    np.testing.assert_allclose(found, estimator.predict_proba(X), rtol=0, atol=1e-12)
    assert models.predict("case", X[:1], app=app).outputs.shape == (1,)


@pytest.mark.full
@SAME_PROCESS
def test_regressor_of_a_data_frame() -> None:
    frame = pd.DataFrame(
        {
            "city": RANDOM.choice(["Bonn", "Rome", "Oslo"], 90),
            "visits": RANDOM.integers(0, 9, 90),
            "age": RANDOM.normal(40, 10, 90),
        }
    ).astype({"city": object})
    frame.loc[::9, "age"] = np.nan
    columns = ColumnTransformer(
        [
            ("words", OneHotEncoder(handle_unknown="ignore"), ["city"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
        ],
        remainder="drop",
    )
    estimator = make_pipeline(columns, LinearRegression()).fit(frame, frame["visits"])
    models, app, engine = serve(estimator)
    assert engine["name"] == "onnx"
    found = models.predict("case", frame[:20], app=app).outputs
    np.testing.assert_allclose(found, estimator.predict(frame[:20]), rtol=1e-5)


@SAME_PROCESS
def test_data_frame_of_numbers_is_one_input() -> None:
    """What takes no columns by their name has no use for an input each."""
    frame = pd.DataFrame(X, columns=["sepal length (cm)", "b", "c", "d"])
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(frame, Y)
    models, app, engine = serve(estimator, probability=True)
    assert engine["name"] == "onnx"
    assert engine["largest_difference"] < 1e-12
    record = dict(zip(frame.columns, map(float, X[0]), strict=True))
    found = models.predict("case", [record], "predict_proba", app=app).outputs
    np.testing.assert_allclose(found, estimator.predict_proba(frame[:1]), rtol=0, atol=1e-12)


@SAME_PROCESS
def test_transformer() -> None:
    models, app, engine = serve(StandardScaler().fit(X))
    assert engine["name"] == "onnx"
    found = models.predict("case", X, app=app).outputs
    np.testing.assert_allclose(found, StandardScaler().fit_transform(X), rtol=1e-12, atol=1e-12)


@SAME_PROCESS
def test_methods_that_the_graph_has_not_stay_the_estimators_own() -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    models, app, engine = serve(estimator, methods=["predict", "decision_function"])
    assert (
        engine["reason"]
        == "native methods are used for decision_function, which the graph does not have"
    )
    found = models.predict("case", X, "decision_function", app=app).outputs
    assert (found == estimator.decision_function(X)).all()


@SAME_PROCESS
def test_model_that_differs_too_much_is_refused_with_the_figures() -> None:
    forest = RandomForestClassifier(10, random_state=0).fit(X, LABELS)
    with pytest.raises(ModelError) as caught:
        serve(forest)
    text = str(caught.value)
    assert text.startswith(
        "model 'case': ONNX Runtime was compared with the estimator on 512 rows: numbers differ by "
        "up to "
    )
    assert text.endswith("% of the rows. SKMODELS_ONNX_TOLERANCE allows 1e-05")


@pytest.mark.full
@SAME_PROCESS
def test_model_that_differs_is_served_where_the_tolerance_allows_it() -> None:
    forest = RandomForestClassifier(10, random_state=0).fit(X, LABELS)
    models, app, engine = serve(forest, tolerance=1.0)
    assert 0 < engine["differing_labels"] < 0.5
    found = models.predict("case", X, app=app).outputs
    assert (found == forest.predict(X)).mean() > 0.95


@pytest.mark.full
@SAME_PROCESS
def test_tolerance_holds_for_files_as_well(tmp_path: Path) -> None:
    joblib.dump(RandomForestClassifier(10, random_state=0).fit(X, Y), tmp_path / "a.joblib")
    app = Flask("files")
    app.config |= {"SKMODELS_TRUST_PICKLE": True, "SKMODELS_ROOT": str(tmp_path)}
    models = SKModels(app)
    with pytest.raises(Exception, match="ONNX Runtime was compared with the estimator on"):
        models.add("case", Artifact("a.joblib"), engine="onnx")


@SAME_PROCESS
def test_estimator_that_has_no_graph_is_refused() -> None:
    with pytest.raises(ModelError, match="it cannot be converted to ONNX: "):
        serve(NearestCentroid().fit(X, Y), tolerance=1.0)


@SAME_PROCESS
def test_method_that_no_graph_has_is_refused() -> None:
    machine = LinearSVC().fit(X, Y)
    with pytest.raises(ModelError, match="the graph has none of the methods decision_function"):
        serve(machine, methods=["decision_function"])


@pytest.mark.parametrize("engine", ["fast", "", None, 3])
def test_engine_that_is_none_is_refused(engine: Any) -> None:
    estimator = LogisticRegression(max_iter=500).fit(X, Y)
    with pytest.raises(ModelError, match="engine must be one of lean, sklearn, onnx, not "):
        SKModels().add("case", estimator, engine=engine)


@pytest.mark.parametrize("value", [-1, True, "0.1", None])
def test_tolerance_is_checked(value: Any) -> None:
    app = Flask("wrong")
    app.config["SKMODELS_ONNX_TOLERANCE"] = value
    with pytest.raises(Exception, match="SKMODELS_ONNX_TOLERANCE"):
        SKModels(app)


@pytest.mark.parametrize("library", ["skl2onnx", "onnxruntime"])
def test_missing_library_names_the_extra(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    there = lambda name: None if name == library else found(name)  # noqa: E731
    monkeypatch.setattr(importlib.util, "find_spec", there)
    with pytest.raises(ModelError, match=re.escape(install_line("onnx"))):
        serve(LogisticRegression(max_iter=500).fit(X, Y))


def test_graph_from_a_file_is_computed_by_onnx(tmp_path: Path) -> None:
    estimator = LogisticRegression(max_iter=500).fit(X, Y)
    graph = skl2onnx.to_onnx(estimator, X[:1], options={"zipmap": False})
    (tmp_path / "a.onnx").write_bytes(graph.SerializeToString())
    app = Flask("file")
    models = SKModels(app)
    models.add("case", Artifact(tmp_path / "a.onnx"))
    description = app.test_client().get("/case/").json or {}
    assert description["engine"] == {"name": "onnx", "reason": "the pipeline is an ONNX graph"}


@pytest.mark.full
def test_loading_leaves_nothing_of_onnx_runtime_in_the_process() -> None:
    script = """
        import os, sys
        from flask import Flask
        from sklearn.linear_model import LogisticRegression
        from flask_skmodels import SKModels
        from tests.support.helpers import X, Y
        estimator = LogisticRegression(max_iter=500).fit(X, Y)
        app = Flask("loaded")
        models = SKModels(app)
        before = len(os.listdir("/proc/self/task"))
        models.add("case", estimator, engine="onnx")
        assert len(os.listdir("/proc/self/task")) == before
        assert "onnxruntime" not in sys.modules
        child = os.fork()
        if not child:
            found = models.predict("case", X, app=app).outputs
            os._exit(0 if (found == estimator.predict(X)).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert "onnxruntime" not in sys.modules
        print("well")
    """
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "well\n", done.stderr


def test_answers_of_the_process_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame({"city": ["Bonn", "Rome", "Oslo"] * 4}, dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, ["a", "b", "c"] * 4)
    types = [("city", skl2onnx.common.data_types.StringTensorType([None, 1]))]
    graph = skl2onnx.to_onnx(model, initial_types=types, options={"zipmap": False})
    data, feed = graph.SerializeToString(), {"city": frame.to_numpy()[:3]}
    aside = run_in_subprocess(data, feed)

    monkeypatch.setattr(subprocess, "run", CompletedHere)
    here = run_in_subprocess(data, feed)
    assert aside.keys() == here.keys()
    assert here["label"].tolist() == aside["label"].tolist() == ["a", "b", "c"]


def test_process_aside_tells_what_is_wrong() -> None:
    with pytest.raises(RuntimeError, match=r"(?i)protobuf"):
        run_in_subprocess(b"nonsense", {})
