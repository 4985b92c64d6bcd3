"""A client that a code generator makes from the API document, used against the server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support import described_models
from tests.support.browser import serving
from tests.support.helpers import SETOSA, VIRGINICA
from tests.support.skips import library


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(described_models.application(tmp_path_factory.mktemp("models"))) as address:
        yield address


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the clients are, to be imported from."""
    library("openapi_python_client")
    folder = tmp_path_factory.mktemp("clients")
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))


def generate(address: str, folder: Path, name: str) -> str:
    """Generate a client, and return what the generator says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"),
            *("--url", f"{address}/-/openapi.json", "--output-path", str(folder / name)),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class Generated:
    """A generated client.

    :param name: of its package
    :param address: of the server
    """

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.client = import_module(name).Client(address)
        self.models: Any = import_module(f"{name}.models")

    def ask(self, tag: str, operation: str, *arguments: Any, **options: Any) -> Any:
        module = import_module(f"{self.name}.api.{tag}.{operation}")
        return module.sync(*arguments, client=self.client, **options)


@pytest.fixture(scope="module")
def generated(address: str, folder: Path) -> Generated:
    said = generate(address, folder, "generated_client")
    passed_over = {line for line in said.splitlines() if line.startswith(("Unsupp", "Could not"))}
    assert passed_over == {
        *("Unsupported content type text/csv", "Unsupported content type application/x-ndjson"),
        "Unsupported content type application/vnd.apache.arrow.stream",
        "Unsupported content type application/vnd.apache.arrow.file",
        "Could not find reference in parsed models or enums",  # forms
    }
    assert "Unable to" not in said
    assert "ERROR" not in said
    return Generated("generated_client", address)


def test_a_row(generated: Generated) -> None:
    row = generated.models.IrisRow(**SETOSA)
    response = generated.ask("iris", "iris_predict", body=row)
    assert (response.model, response.method) == ("iris", "predict")
    assert [label.value for label in response.predictions] == [0]


def test_probabilities_are_lists_of_numbers(generated: Generated) -> None:
    response = generated.ask("iris", "iris_predict_proba", body=generated.models.IrisRow(**SETOSA))
    [probabilities] = response.predictions
    assert sum(probabilities) == pytest.approx(1)
    assert response.classes == [0, 1, 2]


def test_columns(generated: Generated) -> None:
    columns = {name: [SETOSA[name], VIRGINICA[name]] for name in SETOSA}
    body = generated.models.IrisColumns.from_dict({"columns": columns})
    response = generated.ask("iris", "iris_predict", body=body)
    assert [label.value for label in response.predictions] == [0, 2]


def test_categories_and_missing_values(generated: Generated) -> None:
    island = generated.models.PenguinsRowIsland.DREAM
    row = generated.models.PenguinsRow(island=island, mass=None)
    response = generated.ask("penguins", "penguins_predict", body=row)
    assert response.predictions[0].value in {"light", "heavy"}


def test_numbers(generated: Generated) -> None:
    response = generated.ask("line", "line_predict", body=generated.models.LineRow([1, 2, 3]))
    assert response.predictions == [pytest.approx(321.0)]


def test_one_version(generated: Generated) -> None:
    row = generated.models.FolderRow(a=1, b=2)
    response = generated.ask("folder", "folder_predict_version", "1", body=row)
    assert (response.version, response.predictions) == ("1", ["1"])


def test_a_problem_is_read(generated: Generated) -> None:
    row = generated.models.IrisRow(**{**SETOSA, "petal_width": -1})
    problem = generated.ask("iris", "iris_predict", body=row)
    assert (problem.status, problem.error_count) == (400, 1)
    assert (problem.errors[0].field, problem.errors[0].rule) == ("petal_width", "min")


def test_what_is_no_prediction(generated: Generated) -> None:
    assert generated.ask("iris", "iris_describe").name == "iris"
    assert len(generated.ask("models", "models_list").models) == len(described_models.NAMES)
    assert generated.ask("health", "health_ready").ready is True


def test_lists_of_rows(generated: Generated) -> None:
    rows = [generated.models.IrisRow(**SETOSA), list(VIRGINICA.values())]
    response = generated.ask("iris", "iris_predict", body=rows)
    assert [label.value for label in response.predictions] == [0, 2]
