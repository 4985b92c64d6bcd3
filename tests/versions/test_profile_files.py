"""Profiles in files beside artifacts and versions, and the checks of a new version with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import joblib
import pytest
from flask import Flask
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from flask_skmodels import ArtifactError, Model, Profile
from flask_skmodels.estimators.profile.strict_reading import MAX_BYTES
from tests.support.skips import library
from tests.support.versions_folder import application, deployment_of, refresh

pd = library("pandas")

X = pd.DataFrame({"age": [20, 30, 40, 50], "income": [1.5, 2.5, 3.0, 4.0]})


def put(folder: Path, label: str, data: Any = X, *, profile: Any = X) -> Path:
    """Put a version into a folder, with the profile of its data."""
    folder.mkdir(exist_ok=True)
    if profile is not None:
        Profile.of(profile).save(folder / f"{label}.profile.json")
    path = folder / f"{label}.joblib"
    joblib.dump(LinearRegression().fit(data, data.income), path)
    return path


def served(root: Path, pipeline: str = "risk", **attributes: Any) -> Flask:
    return application(Model(name="iris", pipeline=pipeline, **attributes), root=root)


def live(app: Flask) -> Any:
    return deployment_of(app).versions.live


def type_of_age(app: Flask) -> Any:
    fields = app.test_client().get("/iris/").get_json()["fields"]
    return fields["age"]["type"]


@pytest.mark.parametrize("name", ["risk.joblib", "risk.joblib.gz"])
def test_profile_beside_a_file_is_used(tmp_path: Path, name: str) -> None:
    put(tmp_path, "risk")
    joblib.dump(joblib.load(tmp_path / "risk.joblib"), tmp_path / name)
    assert type_of_age(served(tmp_path, name)) == "integer"


def test_file_without_a_profile_is_served_as_before(tmp_path: Path) -> None:
    put(tmp_path, "risk", profile=None)
    assert type_of_age(served(tmp_path, "risk.joblib")) == "number"


def test_each_version_has_its_own_profile(tmp_path: Path) -> None:
    put(tmp_path / "risk", "1")
    app = served(tmp_path)
    assert live(app).profile.rows == 4
    put(tmp_path / "risk", "2", profile=pd.concat([X, X]))
    refresh(app)
    assert live(app).label == "2"
    assert live(app).profile.rows == 8


def test_declared_profile_comes_before_the_file(tmp_path: Path) -> None:
    put(tmp_path, "risk")
    Profile.of(X.astype(float)).save(tmp_path / "declared.json")
    assert type_of_age(served(tmp_path, "risk.joblib", profile="declared.json")) == "number"


def test_profile_that_is_added_later_is_used_after_a_reload(tmp_path: Path) -> None:
    put(tmp_path / "risk", "1", profile=None)
    app = served(tmp_path)
    assert type_of_age(app) == "number"
    Profile.of(X).save(tmp_path / "risk/1.profile.json")
    refresh(app)
    assert type_of_age(app) == "number"  # clients may send 30.5 to the live version
    assert "'age' differs" in deployment_of(app).versions.failures["1"]


def test_profile_that_is_mended_lets_a_rejected_version_serve(tmp_path: Path) -> None:
    put(tmp_path / "risk", "1")
    app = served(tmp_path)
    put(tmp_path / "risk", "2")
    file = tmp_path / "risk/2.profile.json"
    good = file.read_text(encoding="utf-8")
    file.write_text("{}", encoding="utf-8")
    refresh(app)
    assert live(app).label == "1"
    assert "2.profile.json: it is not a profile" in deployment_of(app).versions.failures["2"]
    file.write_text(good, encoding="utf-8")
    refresh(app)
    assert live(app).label == "2"


def test_profile_of_other_data_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "risk", profile=X.rename(columns={"age": "years"}))
    with pytest.raises(ArtifactError, match="only in the profile: 'years'"):
        served(tmp_path, "risk.joblib")


def test_profile_may_link_to_a_file_in_its_folder(tmp_path: Path) -> None:
    put(tmp_path, "risk")
    (tmp_path / "risk.profile.json").rename(tmp_path / "data.json")
    (tmp_path / "risk.profile.json").symlink_to("data.json")
    assert type_of_age(served(tmp_path, "risk.joblib")) == "integer"


def test_profile_may_not_link_out_of_its_folder(tmp_path: Path) -> None:
    put(tmp_path / "risk", "1")
    (tmp_path / "risk/1.profile.json").rename(tmp_path / "secret.json")
    (tmp_path / "risk/1.profile.json").symlink_to("../secret.json")
    with pytest.raises(ArtifactError, match="a link to a file outside its folder"):
        served(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_profile_must_be_a_regular_file(tmp_path: Path) -> None:
    put(tmp_path, "risk", profile=None)
    os.mkfifo(tmp_path / "risk.profile.json")
    with pytest.raises(ArtifactError, match="it is not a regular file"):
        served(tmp_path, "risk.joblib")


def test_profile_that_is_too_large_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "risk", profile=None)
    with (tmp_path / "risk.profile.json").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(ArtifactError, match="larger than 16 MiB"):
        served(tmp_path, "risk.joblib")


def test_new_version_may_have_other_ranges(tmp_path: Path) -> None:
    put(tmp_path / "risk", "1")
    app = served(tmp_path, enforce_ranges=True)
    put(tmp_path / "risk", "2", profile=X + 1)
    refresh(app)
    assert live(app).label == "2"
    client = app.test_client()
    assert client.post("/iris/predict/", json={"age": 51, "income": 3}).status_code == 200
    errors = client.post("/iris/predict/", json={"age": 52, "income": 3}).get_json()["errors"]
    assert [(error["field"], error["rule"]) for error in errors] == [("age", "max")]


def put_towns(folder: Path, label: str, towns: list[str]) -> None:
    """Put a version into a folder that was fitted on a column of categories."""
    folder.mkdir(exist_ok=True)
    data = pd.DataFrame({"town": pd.Categorical(["Oslo"] * 4, categories=towns)})
    Profile.of(data).save(folder / f"{label}.profile.json")
    pipeline = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LinearRegression())
    joblib.dump(pipeline.fit(data, X.age), folder / f"{label}.joblib")


def test_new_version_without_a_category_is_refused(tmp_path: Path) -> None:
    app = None
    for label, towns in {"1": ["Oslo", "Bergen"], "2": ["Oslo"]}.items():
        put_towns(tmp_path / "risk", label, towns)
        app = app or served(tmp_path)
        refresh(app)
    assert app is not None
    assert "its field 'town'" in deployment_of(app).versions.failures["2"]
    assert live(app).label == "1"
