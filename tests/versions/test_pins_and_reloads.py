"""Which formats can be reloaded with which pin, as the table of the documentation says."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest, new
from pathlib import Path
from typing import Any

import pytest
import skops.io
from flask import Flask

from flask_skmodels import Artifact, SKModels
from tests.support.versions_folder import constant, failed, iris, put, refresh, served_by

KEY = b"a key that only the application and the training machine have"


def sign(file: Path) -> None:
    signature = new(KEY, file.read_bytes(), "sha256").hexdigest()
    file.with_name(f"{file.name}.sig").write_text(signature)


def verify(path: Path, data: bytes) -> bool:
    """Check the signature of the list, which pins the other files."""
    if path.name != "SHA256SUMS":
        return True
    expected = new(KEY, data, "sha256").hexdigest()
    return compare_digest(path.with_name(f"{path.name}.sig").read_text(), expected)


def put_skops(folder: Path, label: str) -> None:
    folder.mkdir(exist_ok=True)
    skops.io.dump(constant(label), folder / f"{label}.skops")


def put_listed(folder: Path, label: str) -> Path:
    """Put a version into a folder, then a line into its list of digests."""
    path, sums = put(folder, label), folder / "SHA256SUMS"
    with sums.open("a") as lines:
        lines.write(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return sums


def served(root: Path, pipeline: Any = "iris", **config: Any) -> Flask:
    app = Flask("served", root_path=str(root))
    app.config.update(config)
    SKModels(app).register(iris(pipeline))
    return app


def live_after_reload(app: Flask) -> str:
    refresh(app)
    return served_by(app.test_client())[1]


def test_skops_needs_no_pin(tmp_path: Path) -> None:
    put_skops(tmp_path / "iris", "1")
    app = served(tmp_path)
    put_skops(tmp_path / "iris", "2")
    assert live_after_reload(app) == "2"


def test_pin_in_the_code_is_one_content(tmp_path: Path) -> None:
    path = put(tmp_path, "iris", constant("old"))
    app = served(tmp_path, Artifact(path, sha256=sha256(path.read_bytes()).hexdigest()))
    put(tmp_path, "iris", constant("new"))
    client = app.test_client()
    refresh(app)
    row = {"a": 1, "b": 2}
    assert client.post("/iris/predict/", json=row).get_json()["predictions"] == ["old"]


def test_list_that_is_pinned_is_one_content(tmp_path: Path) -> None:
    sums = put_listed(tmp_path / "iris", "1")
    digest = sha256(sums.read_bytes()).hexdigest()
    app = served(tmp_path, SKMODELS_SHA256SUMS=("iris/SHA256SUMS", digest))
    put_listed(tmp_path / "iris", "2")
    assert live_after_reload(app) == "1"
    assert "2" in failed(app.test_client())


def test_list_that_is_signed_may_grow(tmp_path: Path) -> None:
    sign(put_listed(tmp_path / "iris", "1"))
    pins = {"SKMODELS_SHA256SUMS": ("iris/SHA256SUMS", None), "SKMODELS_VERIFY": verify}
    app = served(tmp_path, **pins)
    sums = put_listed(tmp_path / "iris", "2")
    assert live_after_reload(app) == "1"  # the list is not signed yet
    sign(sums)
    assert live_after_reload(app) == "2"


@pytest.mark.parametrize("is_trusted", [True, False])
def test_without_a_pin(tmp_path: Path, is_trusted: bool) -> None:
    put_skops(tmp_path / "iris", "1")
    app = served(tmp_path, SKMODELS_TRUST_PICKLE=is_trusted)
    put(tmp_path / "iris", "2")
    assert live_after_reload(app) == ("2" if is_trusted else "1")
