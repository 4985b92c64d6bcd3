"""``flask skmodels openapi``."""

from __future__ import annotations

import json
from pathlib import Path

from flask import Flask

from tests.support.command_line import error, output


def test_openapi_prints_or_writes_the_document(app: Flask, tmp_path: Path) -> None:
    document = json.loads(output(app, "openapi"))
    assert document["openapi"] == "3.1.0"
    assert "/iris/predict/" in document["paths"]
    assert output(app, "openapi", "--output", str(tmp_path / "api.json")) == ""
    assert json.loads((tmp_path / "api.json").read_text()) == document
    missing = str(tmp_path / "none" / "api.json")
    assert f"cannot write {missing}: No such file" in error(app, "openapi", "--output", missing)
