"""The progress of an uploaded file, as the script of the page gets it."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import orjson
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from scipy.sparse import csr_matrix

from flask_skmodels import SKModels, after_prediction, input_rejected
from flask_skmodels.testing import FakeEstimator

ROWS = 1000
CSV = "x,y\n" + "\n".join(f"{number},{number * 2}" for number in range(ROWS))
HTML = {"Accept": "text/html"}


def first_column(X: Any) -> Any:
    return np.asarray(X, dtype=float)[:, 0]


def client_of(
    predict: Any = first_column, config: dict[str, Any] | None = None, **attributes: Any
) -> FlaskClient:
    app = Flask("progress")
    app.config.update(config or {})
    models = SKModels(app)
    estimator = FakeEstimator(predict=predict, n_features_in=2)
    models.add("m", estimator, schema={"x": {"max": ROWS}, "y": {}}, **attributes)
    return app.test_client()


def send(client: FlaskClient, text: str = CSV, query: str = "?progress=1") -> Any:
    file = BytesIO(text.encode()), "rows.csv"
    return client.post(f"/m/{query}", data={"file": file}, headers=HTML)


def lines(response: Any) -> list[dict[str, Any]]:
    assert (response.status_code, response.mimetype) == (200, "application/x-ndjson")
    return [orjson.loads(line) for line in response.data.splitlines()]


def test_progress_and_then_the_page() -> None:
    client = client_of()
    first, *more, page = lines(send(client))
    assert first["rows"] == 0
    assert all(each["total"] == ROWS for each in [first, *more])
    counts = [each["rows"] for each in [first, *more]]
    assert counts == sorted(set(counts))
    assert counts[1] == 100
    assert counts[-1] == ROWS
    assert "of 1,000 rows, " in more[0]["text"]
    assert " rows/s, " in more[0]["text"]
    assert not any("rejected" in each["text"] or "rejected" in each for each in more)
    assert page["status"] == 200
    assert "1,000 rows predicted" in page["page"]


def test_page_is_the_same_as_without_progress() -> None:
    client = client_of()
    page = lines(send(client))[-1]["page"]
    plain = send(client, query="").text

    def download(html: str) -> str:
        return html.split('href="data:')[1].split('"', maxsplit=1)[0]

    assert download(page) == download(plain)


def test_every_row_is_counted_once() -> None:
    client = client_of()
    rows: list[int] = []

    def count(app: Flask, prediction: Any, **extra: Any) -> None:
        rows.append(prediction.rows)

    with after_prediction.connected_to(count):
        lines(send(client))
    assert sum(rows) == ROWS
    assert len(rows) > 1


def test_few_rows_are_one_prediction_without_progress() -> None:
    response = send(client_of(), "x,y\n1,2\n3,4")
    assert (response.status_code, response.mimetype) == (200, "text/html")
    assert "2 rows predicted" in response.text


def test_rejected_file_is_an_ordinary_response() -> None:
    response = send(client_of(), f"{CSV}\n5000,1")
    assert (response.status_code, response.mimetype) == (400, "text/html")
    assert "<b>Row 1001, x</b>" in response.text
    assert "must be at most 1000" in response.text


def test_rows_that_the_estimator_rejects_have_their_number_in_the_file() -> None:
    def predict(X: Any) -> Any:
        values = first_column(X)
        if (values == 700).any():
            raise ValueError("seven hundred")
        return values

    *_, page = lines(send(client_of(predict)))
    assert page["status"] == 422
    assert "<b>Row 701</b>" in page["page"]


def test_estimator_that_fails_in_the_middle() -> None:
    def predict(X: Any) -> Any:
        if first_column(X)[0] >= 100:
            raise RuntimeError("broken")
        return first_column(X)

    *_, page = lines(send(client_of(predict)))
    assert page["status"] == 500
    assert "broken" not in page["page"]


def test_download_is_a_file_and_no_progress() -> None:
    response = send(client_of(), query="?download=1")
    assert (response.status_code, response.mimetype) == (200, "text/csv")


@pytest.mark.parametrize("query", ["?download=1&progress=1", "?progress=1&download="])
def test_download_with_progress_is_the_same_file(query: str) -> None:
    client = client_of()
    response = send(client, query=query)
    assert (response.status_code, response.mimetype) == (200, "text/csv")
    assert response.data == send(client, query="?download=1").data


def test_wide_outputs_are_refused_after_the_first_part() -> None:
    called: list[int] = []

    def predict(X: Any) -> Any:
        called.append(len(X))
        return np.zeros((len(X), 5))

    config = {"SKMODELS_MAX_CELLS": 3 * ROWS}
    assert send(client_of(predict, config), query="").status_code == 413
    called.clear()
    rejected: list[str] = []

    def count(app: Flask, errors: Any, **extra: Any) -> None:
        rejected.extend(error.rule for error in errors)

    with input_rejected.connected_to(count):
        *_, page = lines(send(client_of(predict, config)))
    assert page["status"] == 413
    assert called == [100]
    assert len(rejected) == 1


def test_long_texts_are_refused_as_without_progress() -> None:
    client = client_of(
        lambda X: np.array(["x" * 200] * len(X)), config={"SKMODELS_MAX_CELLS": 3 * ROWS}
    )
    assert send(client, query="").status_code == 413
    assert lines(send(client))[-1]["status"] == 413


@pytest.mark.parametrize(
    "outputs",
    [
        lambda X: np.array(["a"] * 50 + ["longer"] * len(X))[: len(X)],
        lambda X: first_column(X).tolist(),
        lambda X: pd.Series(first_column(X)),
        lambda X: csr_matrix(np.asarray(X, dtype=float)),
    ],
    ids=["texts", "list", "series", "sparse"],
)
def test_outputs_of_any_container_are_joined(outputs: Any) -> None:
    *_, page = lines(send(client_of(outputs)))
    assert page["status"] == 200
    assert "1,000 rows predicted" in page["page"]


def test_several_outputs_are_joined() -> None:
    app = Flask("progress")
    models = SKModels(app)

    def both(X: Any) -> Any:
        return [np.tile([0.25, 0.75], (len(X), 1))] * 2

    estimator = FakeEstimator(predict_proba=both, n_features_in=2, classes=[["a", "b"]] * 2)
    models.add("m", estimator, schema={"x": {}, "y": {}}, methods=["predict_proba"])
    assert lines(send(app.test_client()))[-1]["status"] == 200


def test_limits_on_concurrent_calls() -> None:
    client = client_of(max_concurrency=1, timeout=20)
    assert lines(send(client))[-1]["status"] == 200
