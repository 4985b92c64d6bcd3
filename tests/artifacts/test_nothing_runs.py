"""An application never loads a pickle that is not pinned, whatever is done to the file."""

from __future__ import annotations

import gzip
import hashlib
import os
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib
import pytest
from flask import Flask
from sklearn.base import BaseEstimator

from flask_skmodels import ArtifactError, Model, SKModels
from tests.support.helpers import problem
from tests.support.versions_folder import (
    FIELDS,
    PREDICT,
    ROW,
    constant,
    extension_of,
    failed,
    refresh,
    served_by,
)


class Mark(BaseEstimator):
    """Leaves a mark on the disk as soon as it is unpickled, and is an estimator then."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return made, (self.mark,)


def made(mark: str) -> Any:
    Path(mark).mkdir(exist_ok=True)
    return constant("3")


def dumped(value: Any, **options: Any) -> bytes:
    file = BytesIO()
    joblib.dump(value, file, **options)
    return file.getvalue()


FILES: dict[str, Callable[[Mark], bytes]] = {
    "whole": dumped,
    "compressed": lambda mark: dumped(mark, compress=3),
    "cut off": lambda mark: dumped([mark, b"0" * 5000])[:-2500],
    "corrupt at its end": lambda mark: dumped([mark, constant("3")])[:-40] + b"\xff" * 40,
    "of the wrong type": lambda mark: dumped({"model": mark}),
    "with more after it": lambda mark: dumped(mark) + b"more",
    "a plain pickle": pickle.dumps,
    "protocol 0": lambda mark: pickle.dumps(mark, 0),
    "packed": lambda mark: gzip.compress(pickle.dumps(mark)),
}
each_file = pytest.mark.parametrize("kind", FILES)
each_name = pytest.mark.parametrize("name", ["3.joblib", "3.pkl", "3.pkl.gz", "3.skops", "3.onnx"])


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "iris"
    folder.mkdir()
    joblib.dump(constant("1"), folder / "1.joblib")
    return folder


def application(folder: Path, **attributes: Any) -> Flask:
    """Return an application that pins what is in the folder now, and nothing else."""
    sums = folder / "SHA256SUMS"
    digest = hashlib.sha256((folder / "1.joblib").read_bytes()).hexdigest()
    sums.write_text(f"{digest}  1.joblib\n")
    app = Flask("pinned")
    whole = hashlib.sha256(sums.read_bytes()).hexdigest()
    app.config.update(SKMODELS_ROOT=folder.parent, SKMODELS_SHA256SUMS=("iris/SHA256SUMS", whole))
    SKModels(app).register(Model(name="iris", pipeline="iris", schema=FIELDS, **attributes))
    return app


@pytest.mark.parametrize("kind", [kind for kind in FILES if kind != "corrupt at its end"])
def test_file_leaves_a_mark_if_it_is_loaded(mark: Path, folder: Path, kind: str) -> None:
    """The control: what the other tests find absent."""
    (folder / "3.pkl").write_bytes(FILES[kind](Mark(str(mark))))
    try:
        joblib.load(folder / "3.pkl")
    except Exception:
        assert kind == "cut off"
    assert mark.exists()


@each_file
@each_name
def test_file_that_is_dropped_into_a_folder_does_not_run(
    mark: Path, folder: Path, kind: str, name: str
) -> None:
    app = application(folder, traffic={"3": 0.5}, shadow="3")
    client = app.test_client()
    (folder / name).write_bytes(FILES[kind](Mark(str(mark))))
    refresh(app)
    for _ in range(4):
        assert served_by(client) == ("1", "1")
    problem(client.post("/iris/versions/3/predict/", json=ROW), 503)
    with pytest.raises(ArtifactError):
        extension_of(app).predict("iris", ROW, version="3", app=app)
    shadow = app.extensions["skmodels"].deployments["iris"].shadow
    shadow.wait()
    assert shadow.failed > 0
    assert failed(client) == ["3"]
    assert client.get("/iris/").status_code == 200
    assert not mark.exists()


@each_file
@pytest.mark.parametrize("loading", ["startup", "first-use"])
def test_file_that_takes_the_place_of_a_pinned_one_does_not_run(
    mark: Path, folder: Path, kind: str, loading: str
) -> None:
    app = application(folder)
    pinned = dict(app.config)
    (folder / "1.joblib").write_bytes(FILES[kind](Mark(str(mark))))
    refresh(app)
    assert served_by(app.test_client()) == ("1", "1")
    new = Flask("new")
    new.config.update({key: pinned[key] for key in ("SKMODELS_ROOT", "SKMODELS_SHA256SUMS")})
    new.config["SKMODELS_LOADING"] = loading
    models = SKModels()
    models.register(Model(name="iris", pipeline="iris", schema=FIELDS))
    if loading == "startup":
        with pytest.raises(ArtifactError, match="its SHA-256 is"):
            models.init_app(new)
    else:
        models.init_app(new)
        problem(new.test_client().post(PREDICT, json=ROW), 503)
    assert not mark.exists()


@each_file
def test_link_to_a_file_elsewhere_does_not_run(mark: Path, folder: Path, kind: str) -> None:
    app = application(folder)
    elsewhere = folder.parent / "elsewhere.joblib"
    elsewhere.write_bytes(FILES[kind](Mark(str(mark))))
    (folder / "3.joblib").symlink_to(elsewhere)
    (folder / "1.joblib").unlink()
    os.link(elsewhere, folder / "1.joblib")
    refresh(app)
    assert served_by(app.test_client()) == ("1", "1")
    assert failed(app.test_client()) == ["3", "1"]
    assert not mark.exists()


def test_list_that_is_exchanged_with_the_file_does_not_pin(mark: Path, folder: Path) -> None:
    app = application(folder)
    path = folder / "3.joblib"
    path.write_bytes(FILES["whole"](Mark(str(mark))))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with (folder / "SHA256SUMS").open("a") as sums:
        sums.write(f"{digest}  3.joblib\n")
    refresh(app)
    assert served_by(app.test_client()) == ("1", "1")
    assert "SHA256SUMS: its SHA-256 is" in app.extensions["skmodels"].deployments[
        "iris"
    ].versions.failures.get("3", "")
    assert not mark.exists()
