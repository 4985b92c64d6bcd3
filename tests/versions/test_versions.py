"""Files and folders as models: loading, versions, and the change from one to the next."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import sklearn
from flask import Flask, url_for
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from werkzeug.routing import Rule

from flask_skmodels import (
    Artifact,
    ArtifactError,
    ConfigurationError,
    KeyValueModel,
    Model,
    ModelError,
    SKModels,
    UnknownModel,
    after_prediction,
    input_rejected,
    model_load_failed,
    model_loaded,
)
from flask_skmodels.versions import polling
from flask_skmodels.versions.compatibility import Compatibility
from tests.support.helpers import FIELDS as IRIS_FIELDS
from tests.support.helpers import SCHEMA, SETOSA, problem
from tests.support.versions_folder import (
    FIELDS,
    PREDICT,
    ROW,
    application,
    artifact,
    constant,
    deployment_of,
    extension_of,
    failed,
    iris,
    is_root,
    put,
    refresh,
    served_by,
    spoil,
    versions_of,
)

Heard = list[tuple[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the versions 1 and 2, each of which answers with its label."""
    put(tmp_path / "iris", "1")
    put(tmp_path / "iris", "2")
    return tmp_path / "iris"


@pytest.fixture
def heard() -> Heard:
    """The signals model_loaded and model_load_failed, in their order."""
    found: Heard = []

    def loaded(sender: Flask, version: str | None, **extra: Any) -> None:
        found.append(("loaded", version))

    def load_failed(sender: Flask, version: str | None, **extra: Any) -> None:
        found.append(("failed", version))

    model_loaded.connect(loaded, weak=False)
    model_load_failed.connect(load_failed, weak=False)
    return found


def serving(folder: Path, /, **options: Any) -> Flask:
    """Return an application that serves the folder; capitals are configuration."""
    config = {key: options.pop(key) for key in list(options) if key.isupper()}
    return application(iris(**options), root=folder.parent, **config)


def join_polls() -> None:
    """Wait until no thread polls a folder any more."""
    for thread in threading.enumerate():
        if thread.daemon and thread.name.startswith("poll-"):
            thread.join(10)


# A file as a pipeline


@pytest.mark.parametrize("given", [str, Path, Artifact])
def test_file_is_a_pipeline(pipeline: Any, tmp_path: Path, given: Callable[[Path], Any]) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(pipeline, path)
    model = KeyValueModel(name="iris", pipeline=given(path), schema=SCHEMA, probability=True)
    client = application(model, root=Path("/nowhere")).test_client()
    assert client.post("/iris/predict/", data=SETOSA).text == "0"
    assert client.post("/iris/predict_proba/", data=SETOSA).status_code == 200
    document = client.post("/iris/predict/", json=SETOSA).get_json()
    assert (document["version"], document["predictions"]) == (None, [0])
    assert list(client.get("/iris/").get_json()["fields"]) == list(IRIS_FIELDS)


def test_skops_file_is_a_pipeline(pipeline: Any, tmp_path: Path) -> None:
    import skops.io

    skops.io.dump(pipeline, tmp_path / "iris.skops")
    app = Flask("untrusting")
    app.config["SKMODELS_ROOT"] = tmp_path
    models = SKModels(app)
    models.add("iris", "iris.skops", schema=SCHEMA)
    assert app.test_client().post("/iris/predict/", data=SETOSA).text == "0"


def test_page_of_a_file_tells_its_digest_and_versions(tmp_path: Path) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(constant("1"), path)
    client = application(iris("iris.joblib"), root=tmp_path).test_client()
    document = client.get("/iris/").get_json()
    about = document["artifact"]
    assert about["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert about["sklearn_version"] == sklearn.__version__
    assert datetime.fromisoformat(about["loaded_at"]).tzinfo is not None
    assert "versions" not in document
    health = client.get("/-/health/ready").get_json()["models"]["iris"]
    assert health["sklearn_version"] == sklearn.__version__


def test_root_is_the_applications_by_default(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = Flask("rooted", root_path=str(tmp_path))
    app.config["SKMODELS_TRUST_PICKLE"] = True
    SKModels(app).register(iris())
    assert served_by(app.test_client()) == ("1", "1")


def test_root_may_be_relative_to_the_applications(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = Flask("rooted", root_path=str(tmp_path.parent))
    app.config.update(SKMODELS_TRUST_PICKLE=True, SKMODELS_ROOT=tmp_path.name)
    SKModels(app).register(iris())
    assert served_by(app.test_client()) == ("1", "1")


def test_error_at_start_names_model_and_file(tmp_path: Path) -> None:
    (tmp_path / "iris.joblib").write_bytes(b"no pickle")
    with pytest.raises(ArtifactError) as caught:
        application(iris("iris.joblib"), root=tmp_path)
    assert str(caught.value).startswith(f"model 'iris': {tmp_path / 'iris.joblib'}: ")
    assert caught.value.model == "iris"


@pytest.mark.parametrize("name", ["iris.joblib", "iris"])
def test_error_at_start_about_what_is_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match=f"model 'iris': {tmp_path / name}: there is no such"):
        application(iris(name), root=tmp_path)


def test_error_at_start_about_an_unpinned_pickle(folder: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model 'iris': .*2\.joblib: a pickle runs code") as e:
        _untrusting(folder)
    digest = hashlib.sha256((folder / "2.joblib").read_bytes()).hexdigest()
    line = f'add the line "{digest}  2.joblib" to {folder / "SHA256SUMS"}'
    assert line in str(e.value)


def _untrusting(folder: Path) -> None:
    app = Flask("untrusting")
    app.config["SKMODELS_ROOT"] = folder.parent
    SKModels(app).register(iris())


def test_error_at_start_about_a_schema_that_does_not_fit(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1", constant("1", columns=3))
    with pytest.raises(ArtifactError, match=r"model 'iris': .*1\.joblib: "):
        serving(tmp_path / "iris")


def test_model_that_does_not_load_is_not_registered(folder: Path) -> None:
    app = serving(folder)
    models = extension_of(app)
    with pytest.raises(ArtifactError):
        models.add("late", "late.joblib")
    assert "late" not in models
    joblib.dump(constant("late"), folder.parent / "late.joblib")
    models.add("late", "late.joblib", schema=FIELDS)
    assert app.test_client().post("/late/predict/", json=ROW).status_code == 200


# Loading


def test_file_is_loaded_once_for_all_applications(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_loads(monkeypatch)
    for root in (tmp_path, tmp_path / "elsewhere"):
        app = application(iris(folder), root=root)
        assert served_by(app.test_client()) == ("2", "2")
        kept.append(app)
    assert opened == ["2.joblib"]


def test_verify_may_have_no_hash(folder: Path) -> None:
    class Verifier:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            return False

        def __call__(self, path: Path, data: bytes) -> bool:
            return True

    app = serving(folder, SKMODELS_VERIFY=Verifier())
    assert served_by(app.test_client()) == ("2", "2")


kept: list[Flask] = []


def count_loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that the name of each file is added to that is loaded from now on."""
    opened: list[str] = []
    load = joblib.load

    def counted(file: Any, **options: Any) -> Any:
        estimator = load(file, **options)
        opened.append(f"{estimator.classes_[0]}.joblib")
        return estimator

    monkeypatch.setattr(joblib, "load", counted)
    kept.clear()
    return opened


def test_first_use_loads_nothing_at_start(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = count_loads(monkeypatch)
    app = serving(folder, SKMODELS_LOADING="first-use")
    client = app.test_client()
    listed = client.get("/-/models/").get_json()["models"]
    assert [(model["name"], model["version"]) for model in listed] == [("iris", None)]
    health = client.get("/-/health/ready").get_json()
    assert (health["ready"], health["models"]["iris"]["loaded"]) == (True, False)
    assert client.get(PREDICT).status_code == 405  # the rule is there
    assert opened == []
    assert served_by(client) == ("2", "2")
    assert opened == ["2.joblib"]
    assert served_by(client, "/iris/versions/1/predict/") == ("1", "1")
    assert opened == ["2.joblib", "1.joblib"]


def test_version_at_first_use_loads_that_version_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = count_loads(monkeypatch)
    client = serving(folder, SKMODELS_LOADING="first-use").test_client()
    assert served_by(client, "/iris/versions/1/predict/") == ("1", "1")
    assert opened == ["1.joblib"]


def test_page_loads_at_first_use(folder: Path) -> None:
    client = serving(folder, SKMODELS_LOADING="first-use").test_client()
    assert client.get("/iris/").get_json()["version"] == "2"


def test_transformer_at_first_use(tmp_path: Path) -> None:
    joblib.dump(StandardScaler().fit([[0.0], [2.0]]), tmp_path / "scale.joblib")
    model = Model(name="scale", pipeline="scale.joblib")
    client = application(model, root=tmp_path, SKMODELS_LOADING="first-use").test_client()
    assert client.post("/scale/transform/", json=[[2]]).get_json()["predictions"] == [[1.0]]
    problem(client.post("/scale/predict/", json=[[2]]), 404)


def test_threads_at_first_use_load_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = count_loads(monkeypatch)
    app = serving(folder, SKMODELS_LOADING="first-use")
    barrier = threading.Barrier(8)

    def ask(_: int) -> tuple[str, str]:
        barrier.wait(10)
        return served_by(app.test_client())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [("2", "2")] * 8
    assert opened == ["2.joblib"]


def test_failure_at_first_use_is_503_and_healed_by_a_good_file(
    tmp_path: Path, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "iris").mkdir()
    path = spoil(tmp_path / "iris", "1")
    client = serving(tmp_path / "iris", SKMODELS_LOADING="first-use").test_client()
    assert failed(client) == []
    for _ in range(3):
        document = problem(client.post(PREDICT, json=ROW), 503)
        assert (document["detail"], document["errors"]) == ("the model cannot be loaded", [])
    assert str(tmp_path) not in client.post(PREDICT, json=ROW).text
    assert failed(client, 503) == ["1"]
    assert heard == [("failed", "1")]
    assert [record.message for record in caplog.records if str(path) in record.message] != []
    put(tmp_path / "iris", "1")
    assert served_by(client) == ("1", "1")
    assert failed(client) == []
    assert heard == [("failed", "1"), ("loaded", "1")]


def test_missing_folder_at_first_use(tmp_path: Path, heard: Heard) -> None:
    client = serving(tmp_path / "iris", SKMODELS_LOADING="first-use").test_client()
    problem(client.post(PREDICT, json=ROW), 503)
    problem(client.post("/iris/versions/1/predict/", json=ROW), 503)
    assert failed(client, 503) == [None]
    assert heard == [("failed", None)]
    put(tmp_path / "iris", "1")
    assert served_by(client, "/iris/versions/1/predict/") == ("1", "1")
    assert served_by(client) == ("1", "1")


def test_start_of_many_models_compiles_no_addresses(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    own = Rule._compile_builder

    def compile_builder(rule: Rule, append_unknown: bool = True) -> Any:
        compiled.append(rule.rule)
        return own(rule, append_unknown)

    monkeypatch.setattr(Rule, "_compile_builder", compile_builder)
    models = [Model(name=f"iris{n}", pipeline="iris", schema=FIELDS) for n in range(99)]
    app = application(*models, root=folder.parent, SKMODELS_LOADING="first-use")
    assert served_by(app.test_client(), "/iris98/predict/") == ("2", "2")
    assert [path for path in compiled if path.startswith("/iris")] == []
    with app.test_request_context():
        assert url_for("skmodels.iris7") == "/iris7/"
        assert url_for("skmodels.iris7:predict:version", version="1", a="b") == (
            "/iris7/versions/1/predict/?a=b"
        )
    assert compiled


def test_most_recently_used_models_stay_loaded(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        joblib.dump(constant(name), tmp_path / f"{name}.joblib")
    models = [Model(name=n, pipeline=f"{n}.joblib", schema=FIELDS) for n in ("a", "b", "c")]
    models.append(Model(name="memory", pipeline=constant("m"), schema=FIELDS))
    app = application(*models, root=tmp_path, SKMODELS_LOADING="first-use", SKMODELS_MAX_LOADED=2)
    client = app.test_client()

    def loaded() -> str:
        found = client.get("/-/health/ready").get_json()["models"]
        return "".join(name for name in ("a", "b", "c") if found[name]["loaded"])

    def use(name: str) -> str:
        path = f"/{name}/predict/"
        assert client.post(path, json=ROW).get_json()["predictions"] == [name[0]]
        return loaded()

    assert [use(name) for name in "abacbb"] == ["a", "ab", "ab", "ac", "bc", "bc"]
    assert use("memory") == "bc"  # it could not be loaded again, so it does not count
    assert client.get("/a/").status_code == 200
    assert loaded() == "ab"


def test_model_that_is_let_go_of_is_freed(tmp_path: Path) -> None:
    found: list[Any] = []

    def note(sender: Flask, model: Model, **extra: Any) -> None:
        found.append(weakref.ref(model.pipeline))

    for name in ("a", "b"):
        joblib.dump(constant(name), tmp_path / f"{name}.joblib")
    models = [Model(name=n, pipeline=f"{n}.joblib", schema=FIELDS) for n in ("a", "b")]
    client = application(*models, root=tmp_path, SKMODELS_MAX_LOADED=1).test_client()
    with after_prediction.connected_to(note):
        client.post("/a/predict/", json=ROW)
        client.post("/b/predict/", json=ROW)
    gc.collect()
    assert [each() is None for each in found] == [True, False]


def test_model_let_go_of_while_in_use_answers(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Model):
        name, pipeline, schema = "slow", "slow.joblib", FIELDS

        def predict(self, X: Any) -> Any:
            entered.set()
            assert leave.wait(10)
            return super().predict(X)

    for name in ("slow", "b"):
        joblib.dump(constant(name), tmp_path / f"{name}.joblib")
    other = Model(name="b", pipeline="b.joblib", schema=FIELDS)
    app = application(Slow(), other, root=tmp_path, SKMODELS_MAX_LOADED=1)
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(app.test_client().post, "/slow/predict/", json=ROW)
        assert entered.wait(10)
        assert app.test_client().post("/b/predict/", json=ROW).status_code == 200
        leave.set()
        assert response.result(10).get_json()["predictions"] == ["slow"]


def test_no_thread_is_started_at_start(folder: Path) -> None:
    before = threading.active_count()
    app = serving(folder, SKMODELS_RELOAD=0, traffic={"2": 0.5}, shadow="2")
    assert threading.active_count() == before
    assert deployment_of(app).versions.live is not None


# Versions


def test_newest_serves_in_natural_order(tmp_path: Path) -> None:
    labels = ["1", "2", "9", "10", "10.1", "2026-11-01", "v1"]
    for label in reversed(labels):
        put(tmp_path / "iris", label)
    (tmp_path / "iris" / "README.txt").write_text("no version")
    (tmp_path / "iris" / "2.skops.sig").write_text("no version")
    (tmp_path / "iris" / ".99.joblib").write_text("not yet a version")
    client = serving(tmp_path / "iris").test_client()
    assert versions_of(client) == labels[::-1]
    assert served_by(client) == ("v1", "v1")
    for label in labels:
        assert served_by(client, f"/iris/versions/{label}/predict/") == (label, label)
    assert served_by(client, "/iris/versions/9/predict") == ("9", "9")


def test_page_tells_of_loaded_versions(folder: Path) -> None:
    client = serving(folder).test_client()
    newest, oldest = client.get("/iris/").get_json()["versions"]
    assert oldest == {"version": "1", "is_loaded": False}
    assert (newest["version"], newest["is_loaded"]) == ("2", True)
    assert newest["sha256"] == hashlib.sha256((folder / "2.joblib").read_bytes()).hexdigest()
    assert newest["sklearn_version"] == sklearn.__version__
    assert datetime.fromisoformat(newest["loaded_at"]).tzinfo is not None
    served_by(client, "/iris/versions/1/predict/")
    assert [v["is_loaded"] for v in client.get("/iris/").get_json()["versions"]] == [True, True]


@pytest.mark.parametrize("label", ["3", "1.joblib", "..", ".reload", "1%2F..%2F2"])
def test_version_that_is_not_there(folder: Path, label: str) -> None:
    (folder / ".reload").touch()
    client = serving(folder).test_client()
    assert client.post(f"/iris/versions/{label}/predict/", json=ROW).status_code == 404


def test_wrong_http_method_for_a_version(folder: Path) -> None:
    client = serving(folder).test_client()
    for path in ("/iris/versions/1/predict/", "/iris/versions/1/predict"):
        response = client.get(path)
        assert response.status_code == 405
        assert set(response.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_version_that_is_not_there_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = serving(folder)
    entered, leave = threading.Event(), threading.Event()
    load = joblib.load

    def slow(file: Any, **options: Any) -> Any:
        entered.set()
        assert leave.wait(10)
        return load(file, **options)

    put(folder, "3")
    monkeypatch.setattr(joblib, "load", slow)
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(refresh, app)
        assert entered.wait(10)
        problem(app.test_client().post("/iris/versions/9/predict/", json=ROW), 404)
        assert not refreshing.done()
        leave.set()
        refreshing.result(10)


def test_names_that_are_no_versions(tmp_path: Path) -> None:
    """Names of files are the operator's, but nothing strange is to come of strange ones."""
    folder = tmp_path / "iris"
    put(folder, "1")
    for name in ("-1", "final version", "2%2F3", "ä", "1\n2", "..", "\udcff", "²"):
        (folder / f"{name}.joblib").symlink_to("1.joblib")
    for name, target in (("3", "nowhere"), ("4", "4.joblib"), ("5", "/"), ("6", "/dev/null")):
        (folder / f"{name}.joblib").symlink_to(target)
    (folder / "7.joblib").mkdir()
    (folder / "current.joblib").symlink_to("1.joblib")
    client = serving(folder, pipeline=artifact(version="1")).test_client()
    assert versions_of(client) == ["current", "7", "6", "5", "4", "3", "1"]
    assert served_by(client, "/iris/versions/current/predict/") == ("current", "1")
    for label in "34567":
        problem(client.post(f"/iris/versions/{label}/predict/", json=ROW), 503)
    assert failed(client) == list("34567")


def test_folder_of_names_that_are_no_versions(tmp_path: Path) -> None:
    put(tmp_path / "iris", "final version")
    with pytest.raises(
        ArtifactError, match=r"; these names are not valid for versions: final version\.joblib"
    ):
        serving(tmp_path / "iris")


def test_version_in_process_and_in_records(folder: Path) -> None:
    app = serving(folder)
    models = extension_of(app)
    found: list[str | None] = []

    def note(sender: Flask, prediction: Any, **extra: Any) -> None:
        found.append(prediction.version)

    with after_prediction.connected_to(note, app):
        one = models.predict("iris", ROW, version="1", app=app)
        newest = models["iris"](ROW, app=app)
    assert found == [one.version, newest.version] == ["1", "2"]
    with pytest.raises(UnknownModel, match="has no version '3'; its versions: 2, 1"):
        models.predict("iris", ROW, version="3", app=app)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"json": {"a": 1}}, 400),
        ({"data": "{", "content_type": "application/json"}, 400),
        ({"data": "x", "content_type": "image/png"}, 415),
        ({"json": ROW, "headers": {"Accept": "image/png"}}, 406),
        ({"json": ROW}, 500),
    ],
)
def test_version_in_errors(folder: Path, request_: dict[str, Any], status: int) -> None:
    class Failing(Model):
        name, pipeline, schema = "iris", "iris", FIELDS

        def predict(self, X: Any) -> Any:
            raise ValueError("no idea")

    client = application(Failing(), root=folder.parent).test_client()
    for path, label in ((PREDICT, "2"), ("/iris/versions/1/predict/", "1")):
        response = client.post(path, **request_)
        assert response.status_code == status
        assert response.headers["X-Model-Version"] == label


def test_version_in_rejected_input(folder: Path) -> None:
    app = serving(folder)
    found: list[str | None] = []

    def note(sender: Flask, version: str | None, **extra: Any) -> None:
        found.append(version)

    with input_rejected.connected_to(note, app):
        for path in (PREDICT, "/iris/versions/1/predict/"):
            problem(app.test_client().post(path, json={"a": 1}), 400)
    assert found == ["2", "1"]


def test_version_that_has_not_got_the_method_says_so(folder: Path) -> None:
    client = serving(folder, SKMODELS_LOADING="first-use").test_client()
    response = client.post("/iris/versions/1/transform/", json=ROW)
    problem(response, 404)
    assert response.headers["X-Model-Version"] == "1"


def test_version_of_a_model_in_memory() -> None:
    app = Flask("memory")
    models = SKModels(app)
    models.add("iris", constant("1"), schema=FIELDS)
    with pytest.raises(UnknownModel, match="has no versions, so there is no version '1'"):
        models.predict("iris", ROW, version="1", app=app)
    assert app.test_client().post("/iris/versions/1/predict/", json=ROW).status_code == 404
    models.refresh("iris", app)
    assert models.predict("iris", ROW, app=app).version is None


@pytest.mark.parametrize(
    ("code", "configured", "serves"),
    [("1", {}, "1"), (None, {"iris": "1"}, "1"), ("1", {"iris": "2"}, "2"), (None, {}, "2")],
)
def test_pin(folder: Path, code: str | None, configured: dict[str, str], serves: str) -> None:
    app = serving(folder, pipeline=artifact(version=code), SKMODELS_VERSIONS=configured)
    client = app.test_client()
    assert served_by(client) == (serves, serves)
    assert served_by(client, "/iris/versions/2/predict/") == ("2", "2")
    put(folder, "3")
    refresh(app)
    assert served_by(client)[0] == ("3" if serves == "2" and not configured else serves)


@pytest.mark.parametrize("loading", ["startup", "first-use"])
def test_unknown_pin_at_start(folder: Path, loading: str) -> None:
    message = "model 'iris' is pinned to version '9', which does not exist; its versions: 2, 1"
    with pytest.raises(ModelError, match=message):
        serving(folder, SKMODELS_VERSIONS={"iris": "9"}, SKMODELS_LOADING=loading)


def test_pin_of_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"model 'iris': .*: there is no such file or folder"):
        serving(tmp_path / "iris", SKMODELS_VERSIONS={"iris": "9"}, SKMODELS_LOADING="first-use")


def test_pin_of_an_unknown_model_at_start(folder: Path) -> None:
    message = (
        "SKMODELS_VERSIONS names the model 'irs', which is not registered. Registered models: iris."
    )
    with pytest.raises(ConfigurationError, match=message):
        serving(folder, SKMODELS_VERSIONS={"iris": "1", "irs": "1"})


def test_pin_of_an_unknown_model_where_models_are_registered_late(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = Flask("late")
    app.config.update(SKMODELS_ROOT=folder.parent, SKMODELS_TRUST_PICKLE=True)
    app.config["SKMODELS_VERSIONS"] = {"iris": "1", "rose": "2"}
    models = SKModels(app)
    models.register(iris())
    app.add_url_rule("/own", view_func=lambda: "host")
    client = app.test_client()
    assert client.get("/own").text == "host"
    for path in ("/-/health/ready/", "/iris/"):
        assert client.get(path).status_code == 500
    assert "SKMODELS_VERSIONS names the model 'rose', which is not registered" in caplog.text
    models.add("rose", "iris", schema=FIELDS)
    assert served_by(client) == ("1", "1")
    assert served_by(client, "/rose/predict/") == ("2", "2")


@pytest.mark.parametrize("pipeline", ["1.joblib", constant("1")])
def test_pin_of_what_has_no_versions(folder: Path, pipeline: Any) -> None:
    with pytest.raises(
        ModelError, match="model 'iris': version '1' can be used only if pipeline is"
    ):
        application(iris(pipeline), root=folder, SKMODELS_VERSIONS={"iris": "1"})


def test_pin_that_goes_away_while_it_serves(folder: Path, heard: Heard) -> None:
    app = serving(folder, pipeline=artifact(version="1"))
    (folder / "1.joblib").unlink()
    for _ in range(2):
        refresh(app)
    client = app.test_client()
    assert served_by(client) == ("1", "1")
    assert failed(client) == [None]
    assert heard == [("loaded", "1"), ("failed", "1")]


@pytest.mark.parametrize("content", [None, "README.txt"])
def test_folder_without_versions(tmp_path: Path, content: str | None) -> None:
    (tmp_path / "iris").mkdir()
    if content is not None:
        (tmp_path / "iris" / content).touch()
    with pytest.raises(ArtifactError, match="the folder contains no version"):
        serving(tmp_path / "iris")


def test_version_that_is_there_twice_is_refused_and_the_others_are_not(
    folder: Path, heard: Heard
) -> None:
    twin = folder / "2.pkl"
    twin.write_bytes((folder / "2.joblib").read_bytes())
    app = serving(folder)
    client = app.test_client()
    assert served_by(client) == ("1", "1")
    problem(client.post("/iris/versions/2/predict/", json=ROW), 503)
    assert failed(client) == ["2"]
    assert (
        "its folder has 2.joblib for the same version" in deployment_of(app).versions.failures["2"]
    )
    twin.unlink()
    refresh(app)
    assert served_by(client) == ("2", "2")
    assert heard == [("failed", "2"), ("loaded", "1"), ("loaded", "2")]


def test_version_that_gets_a_twin_goes_on(folder: Path) -> None:
    app = serving(folder)
    (folder / "2.pkl").write_bytes((folder / "2.joblib").read_bytes())
    refresh(app)
    assert served_by(app.test_client()) == ("2", "2")
    assert failed(app.test_client()) == ["2"]


def test_only_version_that_is_there_twice_stops_the_start(folder: Path) -> None:
    (folder / "1.joblib").unlink()
    (folder / "2.pkl").write_bytes((folder / "2.joblib").read_bytes())
    with pytest.raises(ArtifactError, match=r"its folder has 2\.joblib for the same version"):
        serving(folder)


@pytest.mark.skipif(is_root(), reason="root may list every folder")
def test_folder_that_cannot_be_listed(folder: Path) -> None:
    folder.chmod(0o100)
    try:
        with pytest.raises(ArtifactError, match="cannot be listed: Permission denied"):
            serving(folder)
    finally:
        folder.chmod(0o700)


def test_start_takes_the_newest_that_loads(folder: Path, heard: Heard) -> None:
    spoil(folder, "3")
    client = serving(folder).test_client()
    assert served_by(client) == ("2", "2")
    assert failed(client) == ["3"]
    assert heard == [("failed", "3"), ("loaded", "2")]


def test_broken_version_by_its_address(folder: Path, heard: Heard) -> None:
    spoil(folder, "3")
    client = serving(folder, pipeline=artifact(version="1")).test_client()
    for _ in range(3):
        problem(client.post("/iris/versions/3/predict/", json=ROW), 503)
    assert heard == [("loaded", "1"), ("failed", "3")]
    assert failed(client) == ["3"]


def test_versions_asked_for_by_address_do_not_pile_up(folder: Path) -> None:
    for label in "3456789":
        put(folder, label)
    client = serving(folder).test_client()
    for label in "12345678":
        assert served_by(client, f"/iris/versions/{label}/predict/") == (label, label)
    versions = client.get("/iris/").get_json()["versions"]
    assert [v["version"] for v in versions if v["is_loaded"]] == ["9", "8", "7", "6"]


# Reload


def test_newer_version_takes_over(folder: Path, heard: Heard) -> None:
    app = serving(folder)
    put(folder, "10")
    client = app.test_client()
    assert served_by(client) == ("2", "2")
    refresh(app)
    assert served_by(client) == ("10", "10")
    assert served_by(client, "/iris/versions/2/predict/") == ("2", "2")
    assert versions_of(client) == ["10", "2", "1"]
    assert heard == [("loaded", "2"), ("loaded", "10"), ("loaded", "2")]


def test_version_that_was_replaced_is_freed(folder: Path) -> None:
    app = serving(folder)
    live = deployment_of(app).versions.live
    assert live is not None
    old = weakref.ref(live.model.pipeline)
    del live
    put(folder, "3")
    refresh(app)
    gc.collect()
    assert old() is None


def test_model_loaded_tells_of_the_file(folder: Path) -> None:
    found: list[dict[str, Any]] = []

    def note(sender: Flask, **arguments: Any) -> None:
        found.append(arguments)

    model = iris()
    with model_loaded.connected_to(note):
        application(model, root=folder.parent)
    [arguments] = found
    assert arguments["model"] is model
    assert arguments["version"] == "2"
    digest = hashlib.sha256((folder / "2.joblib").read_bytes()).hexdigest()
    assert arguments["artifact"]["sha256"] == digest


def test_receiver_of_model_loaded_may_predict(folder: Path) -> None:
    found: list[str | None] = []

    def warm(sender: Flask, model: Model, version: str, **extra: Any) -> None:
        found.append(model(ROW, version=version, app=sender).version)
        found.append(model(ROW, app=sender).version)

    app = serving(folder, SKMODELS_LOADING="first-use")
    with model_loaded.connected_to(warm):
        served_by(app.test_client())
        put(folder, "3")
        refresh(app)
    assert found == ["2", "2", "3", "3"]


@pytest.mark.parametrize("late", [False, True])
def test_receiver_of_model_loaded_may_predict_at_start(folder: Path, *, late: bool) -> None:
    found: list[str | None] = []

    def warm(sender: Flask, model: Model, version: str, **extra: Any) -> None:
        found.append(model(ROW, version=version, app=sender).version)
        found.append(model(ROW, app=sender).version)

    with model_loaded.connected_to(warm):
        app = serving(folder)
        if late:
            extension_of(app).add("rose", "iris", schema=FIELDS)
    assert found == ["2"] * (4 if late else 2)


def test_requests_poll_at_their_interval(folder: Path) -> None:
    app = serving(folder, SKMODELS_RELOAD=0)
    swapped = heard_of("3")
    put(folder, "3")
    assert served_by(app.test_client())[0] in {"2", "3"}
    assert swapped.wait(10)
    assert served_by(app.test_client()) == ("3", "3")


def test_reload_is_heard_of_where_the_clock_went_backwards(folder: Path) -> None:
    (folder / ".reload").touch()
    app = serving(folder)
    swapped = heard_of("3")
    put(folder, "3")
    os.utime(folder / ".reload", (1, 1))
    served_by(app.test_client())
    assert swapped.wait(10)
    assert served_by(app.test_client()) == ("3", "3")


@pytest.mark.parametrize("in_place", [False, True])
def test_new_content_with_an_old_time(folder: Path, *, in_place: bool) -> None:
    """As ``cp -p`` and ``rsync`` bring it: of the same size, and as old as what was there."""
    app = serving(folder)
    path = folder / "2.joblib"
    status = path.stat()
    other = put(folder.parent / "other", "7")
    assert other.stat().st_size == status.st_size
    if in_place:
        path.write_bytes(other.read_bytes())
    else:
        other.replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    refresh(app)
    document = app.test_client().post(PREDICT, json=ROW).get_json()
    assert (document["version"], document["predictions"]) == ("2", ["7"])


def test_folder_that_is_moved_away_and_comes_back(folder: Path) -> None:
    app = serving(folder)
    away = folder.rename(folder.parent / "away")
    refresh(app)
    assert failed(app.test_client()) == [None]
    put(away, "3")
    away.rename(folder)
    refresh(app)
    assert served_by(app.test_client()) == ("3", "3")
    assert failed(app.test_client()) == []


def test_several_refresh_at_once(folder: Path, heard: Heard) -> None:
    app = serving(folder)
    put(folder, "3")
    spoil(folder, "4")
    with ThreadPoolExecutor(8) as pool:
        for each in [pool.submit(refresh, app) for _ in range(16)]:
            each.result(10)
    assert served_by(app.test_client()) == ("3", "3")
    assert heard == [("loaded", "2"), ("failed", "4"), ("loaded", "3")]


def heard_of(label: str) -> threading.Event:
    event = threading.Event()

    def note(sender: Flask, version: str | None, **extra: Any) -> None:
        if version == label:
            event.set()

    model_loaded.connect(note, weak=False)
    return event


@pytest.mark.parametrize("interval", [None, 3600])
def test_requests_do_not_poll_before_their_time(
    folder: Path, interval: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = serving(folder, SKMODELS_RELOAD=interval)
    put(folder, "3")
    before = threading.active_count()
    monkeypatch.setattr(threading.Thread, "start", lambda self: pytest.fail("it polled"))
    assert served_by(app.test_client()) == ("2", "2")
    assert threading.active_count() == before


def test_many_requests_are_one_poll(folder: Path) -> None:
    entered, leave = threading.Event(), threading.Event()
    polls: list[int] = []

    class Slow(Model):
        name, pipeline, schema, examples = "iris", "iris", FIELDS, [ROW]

        def predict(self, X: Any) -> Any:
            if threading.current_thread().daemon:
                polls.append(1)
                entered.set()
                assert leave.wait(10)
            return super().predict(X)

    app = application(Slow(), root=folder.parent, SKMODELS_RELOAD=0)
    swapped = heard_of("3")
    put(folder, "3")
    client = app.test_client()
    assert [served_by(client) for _ in range(20)] == [("2", "2")] * 20
    assert entered.wait(10)
    assert [served_by(client) for _ in range(20)] == [("2", "2")] * 20
    leave.set()
    assert swapped.wait(10)
    assert served_by(client) == ("3", "3")
    assert len(polls) == 1


def test_poll_without_a_thread_to_spare(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = serving(folder, SKMODELS_RELOAD=0)
    put(folder, "3")

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert served_by(app.test_client()) == ("2", "2")
    assert "can't start new thread" in caplog.text
    swapped = heard_of("3")
    served_by(app.test_client())
    assert swapped.wait(10)


def test_receiver_that_raises_during_a_poll_is_logged(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = serving(folder, SKMODELS_RELOAD=0)
    app.testing = True
    called = threading.Event()

    def broken(sender: Flask, **extra: Any) -> None:
        called.set()
        raise OSError("the disk is full")

    put(folder, "3")
    with model_loaded.connected_to(broken):
        served_by(app.test_client())
        assert called.wait(10)
        join_polls()
    assert "polling the versions of model 'iris' failed" in caplog.text
    assert served_by(app.test_client()) == ("3", "3")


def test_request_in_flight_finishes_on_the_old_version(folder: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    class Slow(Model):
        name, pipeline, schema = "iris", "iris", FIELDS

        def predict(self, X: Any) -> Any:
            if not entered.is_set():
                entered.set()
                assert leave.wait(10)
            return super().predict(X)

    app = application(Slow(), root=folder.parent)
    with ThreadPoolExecutor(1) as pool:
        flight = pool.submit(served_by, app.test_client())
        assert entered.wait(10)
        put(folder, "3")
        refresh(app)
        assert served_by(app.test_client()) == ("3", "3")
        leave.set()
        assert flight.result(10) == ("2", "2")


def test_requests_do_not_wait_for_a_load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = serving(folder)
    client = app.test_client()
    served_by(client, "/iris/versions/1/predict/")
    entered, leave = threading.Event(), threading.Event()
    load = joblib.load

    def slow(file: Any, **options: Any) -> Any:
        entered.set()
        assert leave.wait(10)
        return load(file, **options)

    put(folder, "3")
    monkeypatch.setattr(joblib, "load", slow)
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(refresh, app)
        assert entered.wait(10)
        assert served_by(client) == ("2", "2")
        assert served_by(client, "/iris/versions/1/predict/") == ("1", "1")
        leave.set()
        refreshing.result(10)
    assert served_by(client) == ("3", "3")


def test_broken_version_does_not_take_over(
    folder: Path, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    app = serving(folder)
    client = app.test_client()
    path = spoil(folder, "3")
    for _ in range(3):
        refresh(app)
    assert served_by(client) == ("2", "2")
    assert failed(client) == ["3"]
    assert heard == [("loaded", "2"), ("failed", "3")]
    logged = [record for record in caplog.records if str(path) in record.getMessage()]
    assert [(record.levelno, record.exc_info) for record in logged] == [(logging.ERROR, None)]
    spoil(folder, "3", b"half, and then some")
    refresh(app)
    assert heard == [("loaded", "2"), ("failed", "3"), ("failed", "3")]
    put(folder, "3")
    refresh(app)
    assert served_by(client) == ("3", "3")
    assert failed(client) == []


def test_broken_version_is_not_reported_again_when_another_comes(
    folder: Path, heard: Heard
) -> None:
    app = serving(folder, pipeline=artifact())
    spoil(folder, "9")
    refresh(app)
    put(folder, "3")
    refresh(app)
    assert served_by(app.test_client()) == ("3", "3")
    assert heard == [("loaded", "2"), ("failed", "9"), ("loaded", "3")]
    (folder / "9.joblib").unlink()
    refresh(app)
    assert failed(app.test_client()) == []


def test_older_good_version_is_chosen(folder: Path, heard: Heard) -> None:
    app = serving(folder)
    for label in ("4", "5"):
        spoil(folder, label)
    put(folder, "3")
    refresh(app)
    assert served_by(app.test_client()) == ("3", "3")
    assert failed(app.test_client()) == ["5", "4"]
    assert heard == [("loaded", "2"), ("failed", "5"), ("failed", "4"), ("loaded", "3")]


def test_half_written_file_is_loaded_when_it_is_complete(folder: Path, heard: Heard) -> None:
    app = serving(folder)
    whole = put(folder, "3").read_bytes()
    (folder / "3.joblib").write_bytes(whole[: len(whole) // 2])
    refresh(app)
    assert served_by(app.test_client()) == ("2", "2")
    (folder / "3.joblib").write_bytes(whole)
    refresh(app)
    assert served_by(app.test_client()) == ("3", "3")
    assert heard == [("loaded", "2"), ("failed", "3"), ("loaded", "3")]


def test_version_that_is_removed(folder: Path, heard: Heard) -> None:
    app = serving(folder)
    client = app.test_client()
    served_by(client, "/iris/versions/1/predict/")
    (folder / "2.joblib").unlink()
    assert served_by(client) == ("2", "2")
    refresh(app)
    assert served_by(client) == ("1", "1")
    assert versions_of(client) == ["1"]
    problem(client.post("/iris/versions/2/predict/", json=ROW), 404)


@pytest.mark.parametrize("remove", [True, False])
def test_all_versions_are_removed(folder: Path, heard: Heard, *, remove: bool) -> None:
    app = serving(folder)
    for path in folder.iterdir():
        path.unlink()
    if remove:
        folder.rmdir()
    for _ in range(2):
        refresh(app)
    client = app.test_client()
    assert served_by(client) == ("2", "2")
    assert failed(client) == [None]
    assert heard == [("loaded", "2"), ("failed", None)]
    put(folder, "3")
    refresh(app)
    assert served_by(client) == ("3", "3")
    assert failed(client) == []


def test_version_that_is_removed_while_the_others_are_broken(folder: Path) -> None:
    app = serving(folder)
    spoil(folder, "1")
    (folder / "2.joblib").unlink()
    refresh(app)
    assert served_by(app.test_client()) == ("2", "2")
    assert failed(app.test_client()) == ["1"]


def test_version_with_new_content(folder: Path) -> None:
    app = serving(folder)
    client = app.test_client()
    served_by(client, "/iris/versions/1/predict/")
    put(folder, "2", constant("two"))
    put(folder, "1", constant("one"))
    assert served_by(client, "/iris/versions/2/predict/") == ("2", "2")
    refresh(app)
    assert served_by(client) == ("2", "two")
    assert served_by(client, "/iris/versions/2/predict/") == ("2", "two")
    assert served_by(client, "/iris/versions/1/predict/") == ("1", "one")


@pytest.mark.parametrize("content", [b"half", None])
def test_version_with_new_content_that_is_no_good(
    folder: Path, heard: Heard, content: bytes | None
) -> None:
    app = serving(folder)
    if content is None:
        put(folder, "2", constant("two", columns=3))
    else:
        spoil(folder, "2", content)
    for _ in range(2):
        refresh(app)
    client = app.test_client()
    assert served_by(client) == ("2", "2")  # the old one goes on, not an older one
    assert served_by(client, "/iris/versions/2/predict/") == ("2", "2")
    assert failed(client) == ["2"]
    assert heard == [("loaded", "2"), ("failed", "2")]


def test_single_file_with_new_content(tmp_path: Path) -> None:
    path = tmp_path / "iris.joblib"
    joblib.dump(constant("1"), path)
    app = application(iris("iris.joblib"), root=tmp_path)
    joblib.dump(constant("one"), path)
    refresh(app)
    document = app.test_client().post(PREDICT, json=ROW)
    assert document.get_json()["predictions"] == ["one"]
    assert "X-Model-Version" not in document.headers


# Checks of a new version


def lines(*names: str) -> Any:
    """Return a regression fitted on a data frame with these columns."""
    import pandas as pd

    frame = pd.DataFrame(np.eye(len(names)), columns=list(names))
    return LinearRegression().fit(frame, np.arange(len(names), dtype=float))


@pytest.mark.parametrize(
    ("names", "taken"),
    [("ab", True), ("ba", False), ("abc", False), ("a", False), ("ax", False)],
)
def test_schema_must_be_that_of_the_version_that_serves(
    tmp_path: Path, names: str, *, taken: bool
) -> None:
    folder = tmp_path / "iris"
    put(folder, "1", lines(*"ab"))
    app = application(Model(name="iris", pipeline="iris"), root=tmp_path)
    put(folder, "2", lines(*names))
    refresh(app)
    client = app.test_client()
    version = client.post(PREDICT, json=ROW).get_json()["version"]
    assert version == ("2" if taken else "1")
    assert failed(client) == ([] if taken else ["2"])
    own = client.post("/iris/versions/2/predict/", json=dict.fromkeys(names, 1))
    assert (own.status_code, own.get_json()["version"]) == (200, "2")  # each serves its address


def categories(*values: str, column: str = "a") -> Any:
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.DataFrame({column: list(values) * 2})
    labels = [str(place % 2) for place in range(len(values) * 2)]
    return make_pipeline(OneHotEncoder(), LogisticRegression()).fit(frame, labels)


@pytest.mark.parametrize(
    ("values", "taken"), [("xyz", True), ("zyx", True), ("wxyz", True), ("xy", False)]
)
def test_new_version_may_know_more_categories(tmp_path: Path, values: str, *, taken: bool) -> None:
    put(tmp_path / "iris", "1", categories(*"xyz"))
    app = application(Model(name="iris", pipeline="iris"), root=tmp_path)
    put(tmp_path / "iris", "2", categories(*values))
    refresh(app)
    assert failed(app.test_client()) == ([] if taken else ["2"])


def test_number_of_values_must_be_the_same(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = application(Model(name="iris", pipeline="iris"), root=tmp_path)
    put(tmp_path / "iris", "2", constant("2", columns=3))
    refresh(app)
    assert failed(app.test_client()) == ["2"]


def test_methods_of_the_version_that_serves_must_be_there(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1", constant("1"))
    model = Model(name="iris", pipeline="iris", schema=FIELDS, probability=True)
    app = application(model, root=tmp_path)
    put(tmp_path / "iris", "2", constant(2.0))
    refresh(app)
    assert failed(app.test_client()) == ["2"]
    assert app.test_client().post("/iris/predict_proba/", json=ROW).status_code == 200


def test_transformer_does_not_take_over_from_what_predicts(tmp_path: Path) -> None:
    put(tmp_path / "iris", "1")
    app = application(iris(), root=tmp_path)
    put(tmp_path / "iris", "2", StandardScaler().fit(np.eye(2)))
    refresh(app)
    assert served_by(app.test_client()) == ("1", "1")
    assert "it lacks methods" in deployment_of(app).versions.failures["2"]


def test_field_may_not_be_newly_required(folder: Path) -> None:
    live = deployment_of(serving(folder)).versions.live
    assert live is not None
    contract = Compatibility.of(live)
    contract.check(live)
    with pytest.raises(
        ModelError, match="it requires a field that is optional in the live version"
    ):
        replace(contract, required=frozenset("a")).check(live)


class Careful(Model):
    """Fails where the answer is not one of those that it knows."""

    name, pipeline, schema = "iris", "iris", FIELDS

    def predict(self, X: Any) -> Any:
        response = super().predict(X)
        if response[0] == "bad":
            raise ValueError("an answer that nobody knows")
        return response


@pytest.mark.parametrize("examples", [[ROW], [[1, 2]], [ROW, ROW]])
@pytest.mark.parametrize(("response", "taken"), [("2", True), ("bad", False)])
def test_new_version_must_answer_the_examples(
    tmp_path: Path, examples: list[Any], response: str, *, taken: bool
) -> None:
    put(tmp_path / "iris", "1")
    app = application(Careful(examples=examples), root=tmp_path)
    put(tmp_path / "iris", "2", constant(response))
    refresh(app)
    client = app.test_client()
    assert failed(client) == ([] if taken else ["2"])
    assert served_by(client)[0] == ("2" if taken else "1")


def test_examples_that_are_not_valid_stop_a_new_version(tmp_path: Path, heard: Heard) -> None:
    put(tmp_path / "iris", "1")
    app = application(iris(examples=[{"a": 1}]), root=tmp_path)
    put(tmp_path / "iris", "2")
    refresh(app)
    assert heard == [("loaded", "1"), ("failed", "1"), ("failed", "2")]
    texts = deployment_of(app).versions.failures
    assert "2.joblib: example 0 is not valid" in texts["2"]
    assert served_by(app.test_client()) == ("1", "1")


def test_file_that_is_refused_is_tried_again_when_one_comes_beside_it(
    folder: Path, heard: Heard
) -> None:
    def verify(path: Path, data: bytes) -> bool:
        return path.with_name(f"{path.name}.sig").exists()

    for label in "12":
        (folder / f"{label}.joblib.sig").touch()
    app = serving(folder, SKMODELS_VERIFY=verify)
    put(folder, "3")
    refresh(app)
    assert served_by(app.test_client()) == ("2", "2")
    (folder / "3.joblib.sig").touch()
    refresh(app)
    assert served_by(app.test_client()) == ("3", "3")
    assert heard == [("loaded", "2"), ("failed", "3"), ("loaded", "3")]


def test_load_while_versions_are_dropped(folder: Path) -> None:
    app = serving(folder, SKMODELS_RELOAD=0.01)
    stop = threading.Event()

    def ask() -> int:
        client, count = app.test_client(), 0
        while not stop.is_set() or not count:
            version, answered = served_by(client)
            assert version == answered
            count += 1
        return count

    with ThreadPoolExecutor(4) as pool:
        clients = [pool.submit(ask) for _ in range(4)]
        try:
            for number in range(3, 15):
                spoil(folder, str(number)) if number % 4 == 0 else put(folder, str(number))
                refresh(app)
        finally:
            stop.set()
        assert all(client.result(30) for client in clients)
    join_polls()
    refresh(app)
    assert served_by(app.test_client()) == ("14", "14")


def test_readiness_check_polls_a_model_that_could_not_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "SECONDS_WHILE_DOWN", 0.0)
    (tmp_path / "iris").mkdir()
    app = application(iris(), root=tmp_path, SKMODELS_LOADING="first-use")
    client = app.test_client()
    assert client.post("/iris/predict/", json=ROW).status_code == 503
    put(tmp_path / "iris", "1")
    for _ in range(200):
        if client.get("/-/health/ready").status_code == 200:
            break
        time.sleep(0.02)
    assert client.get("/-/health/ready").status_code == 200
    assert client.post("/iris/predict/", json=ROW).status_code == 200


@pytest.mark.parametrize("name", ["n" * 300, "a\0b"])
def test_names_that_no_file_can_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArtifactError, match="model 'iris'"):
        application(iris(name), root=tmp_path)
