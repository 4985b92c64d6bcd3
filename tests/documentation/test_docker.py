"""The page on Docker: its files work, as far as they do without Docker."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tests.support.documentation import ROOT, files, page
from tests.support.gunicorn import JSON_HEADERS, gunicorn
from tests.support.skips import library

pytestmark = pytest.mark.full  # they start real servers

FILES = files(page("docker"))
DOCKERFILE = FILES["Dockerfile"]
ROW = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the image would have, with a model in it."""
    skops = library("skops.io")
    folder = tmp_path_factory.mktemp("image")
    (folder / "models").mkdir()
    estimator = LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    skops.dump(estimator, folder / "models/iris.skops")
    for name, source in FILES.items():
        (folder / name).write_text(source, encoding="utf-8")
    return folder


def test_model_is_checked_while_the_image_is_built(image: Path) -> None:
    [line] = [line for line in DOCKERFILE.splitlines() if "skmodels check" in line]
    command = [sys.executable, "-m", *shlex.split(line)[1:]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=image, env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.startswith("iris: good, engine lean, 1 example\niris: fast lane o")


def test_server_starts_as_in_the_image_and_passes_its_health_check(image: Path) -> None:
    [command] = [line for line in DOCKERFILE.splitlines() if line.startswith("CMD ")]
    assert json.loads(command.removeprefix("CMD ")) == ["gunicorn", "app:create_app()"]
    module = "from app import create_app\napp = create_app()\n"
    with gunicorn(image, module, "--config", str(image / "gunicorn.conf.py")) as server:
        connection = server.connect()
        connection.request("POST", "/iris/predict", json.dumps(ROW), JSON_HEADERS)
        assert json.load(connection.getresponse())["predictions"] == [0]
        connection.close()
        [check] = [line for line in DOCKERFILE.splitlines() if "urlopen" in line]
        _, *arguments = json.loads(check.strip().removeprefix("CMD "))
        arguments[-1] = arguments[-1].replace(":8000", f":{server.port}")
        subprocess.run([sys.executable, *arguments], timeout=60, check=True)


def test_process_in_the_image_is_not_root() -> None:
    lines = DOCKERFILE.splitlines()
    assert lines.index("USER 10001") > max(
        at for at, line in enumerate(lines) if line.startswith(("RUN", "COPY"))
    )


def test_compose_file_mounts_the_models_for_reading_only() -> None:
    [service] = yaml.safe_load(FILES["compose.yaml"])["services"].values()
    assert service["volumes"] == ["./models:/srv/models:ro"]
    assert service["read_only"] is True
