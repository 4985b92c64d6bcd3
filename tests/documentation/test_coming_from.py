"""The pages on coming from another library: their files run and give the responses shown."""

from __future__ import annotations

import runpy
import sys
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest
from flask.testing import FlaskClient

from tests.support.documentation import ROOT, check_response, conversations, files, page, sent

PAGES = sorted(path.stem for path in (ROOT / "docs/coming-from").glob("*.rst"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("coming-from")


def run(folder: Path, name: str, source: str) -> dict[str, object]:
    """Write a file of a page and run it in its folder, as a module of its name."""
    path = folder / name
    path.write_text(source, encoding="utf-8")
    with chdir(folder):
        return runpy.run_path(str(path), run_name=path.stem)


@pytest.fixture(scope="module", params=PAGES)
def served(request: pytest.FixtureRequest, folder: Path) -> tuple[str, FlaskClient]:
    """A page's name, and a client of the application that it ends with."""
    name = request.param
    own = files(page(f"coming-from/{name}"))
    (folder / name).mkdir()
    run(folder / name, "train.py", own["train.py"])
    with patch.dict(sys.modules):
        sys.modules.pop("app", None)  # another test may have imported a module of this name
        create_app = run(folder / name, "app.py", own["app.py"])["create_app"]
        assert callable(create_app)
        with chdir(folder / name):
            app = create_app()
    return name, app.test_client()


def test_there_is_a_page_for_each() -> None:
    assert PAGES == ["bentoml", "fastapi", "flask", "mlflow", "mlserver"]


def test_page_shows_the_answers_that_curl_gets(served: tuple[str, FlaskClient]) -> None:
    name, client = served
    shown = conversations(page(f"coming-from/{name}"))
    assert len(shown) >= 2
    for command, response in shown:
        check_response(response, sent(client, command))


def test_every_page_serves_the_same_model() -> None:
    apps = [files(page(f"coming-from/{name}"))["app.py"] for name in PAGES]
    assert len({source.partition("def create_app")[0] for source in apps}) == 1


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A client of the view that is written by hand."""
    folder = tmp_path_factory.mktemp("by-hand")
    own = files(page("coming-from/flask"))
    run(folder, "train.py", own["train.py"])
    app = run(folder, "by_hand.py", own["by_hand.py"])["app"]
    client = app.test_client()  # type: ignore[attr-defined]
    assert isinstance(client, FlaskClient)
    return client


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (
            '[{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}]',
            200,
        ),
        (
            '[{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": true}]',
            200,
        ),
        (
            '[{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": NaN}]',
            500,
        ),
        ("[[5.1, 3.5, 1.4, 0.2]]", 400),
        ("[]", 500),
        ("5", 500),
    ],
)
@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_what_is_said_of_the_view_by_hand(
    by_hand: FlaskClient, method: str, body: str, status: int
) -> None:
    response = by_hand.post(f"/iris/{method}", data=body, content_type="application/json")
    assert response.status_code == status
