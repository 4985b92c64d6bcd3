"""Write the screenshots of the documentation: ``python docs/make_images.py``.

It serves an application with models of made-up data, and opens its pages in Chromium, which needs
the extra ``test-foreign`` and a Chromium that is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).parent.parent))

from flask_skmodels import KeyValueModel, Profile, SKModels
from tests.support.browser import chromium, serving

IMAGES = Path(__file__).parent / "images"
WIDTH, SCALE = 1100, 1
ROWS = 1_000
random = np.random.default_rng(0)


def flowers() -> tuple[pd.DataFrame, KeyValueModel]:
    """Return the data of the iris model, and the model."""
    data = load_iris(as_frame=True)
    X = data.data.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    y = data.target.map(dict(enumerate(data.target_names))).rename("species")
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, y)
    schema = {
        name: {"min": 0, "max": 10, "meta": {"label": name.replace("_", " ").title(), "unit": "cm"}}
        for name in X.columns
    }
    model = KeyValueModel(
        name="iris",
        pipeline=pipeline,
        probability=True,
        explain=True,
        profile=Profile.of(X, y, pipeline),
        schema=schema,
        description="Species of an iris flower, from four lengths.",
    )
    return X, model


def houses() -> tuple[pd.DataFrame, KeyValueModel]:
    """Return the data of the model of house prices, and the model."""
    X = pd.DataFrame(
        {
            "living_area": random.integers(30, 250, ROWS).astype(float),
            "rooms": random.integers(1, 8, ROWS),
            "town": random.choice(["Bergen", "Oslo", "Trondheim"], ROWS),
        }
    )
    y = (X["living_area"] * 40_000 + X["rooms"] * 100_000).rename("price")
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["town"]), remainder="passthrough"
    )
    pipeline = make_pipeline(columns, LinearRegression()).fit(X, y)
    model = KeyValueModel(
        name="house_price",
        pipeline=pipeline,
        profile=Profile.of(X, y, pipeline),
        description="Price of a house, from its size and its town.",
    )
    return X, model


def application() -> Flask:
    """Return an application with both models, and with some traffic."""
    app = Flask("shown")
    models = SKModels(app)
    client = app.test_client()
    for X, model in (flowers(), houses()):
        models.register(model)
        for part in range(12):
            rows = X.sample(60, random_state=part, replace=True).to_dict("records")
            client.post(f"/{model.name}/predict/", json=rows)
    larger = flowers()[0].sample(600, random_state=1, replace=True) * [1.0, 1.0, 1.25, 1.0]
    client.post("/iris/predict/", json=larger.to_dict("records"))
    for wrong in ({"sepal_length": -1}, {}, {"petal_width": "wide"}):
        client.post("/iris/predict/", json=wrong)
    return app


def predict(page: Any) -> None:
    """Press the button of the form."""
    page.get_by_role("button", name="Predict", exact=True).click()
    page.wait_for_selector(".prediction")


def draw_curve(page: Any) -> None:
    """Press the button of the third curve."""
    page.locator(".chips button").nth(2).click()
    page.wait_for_selector(".curve")


# The name of each image, its page, its height, and what is done on the page first.
SHOTS: list[tuple[str, str, int, Callable[[Any], None] | None]] = [
    ("index", "/-/", 420, None),
    ("model", "/house_price/", 560, predict),
    ("explain", "/iris/", 1010, predict),
    ("curve", "/iris/", 1360, draw_curve),
    ("traffic", "/iris/traffic/", 1250, None),
    ("drift", "/iris/drift/", 760, None),
    ("card", "/iris/card/", 900, None),
]


def main() -> None:
    with serving(application()) as address, chromium() as browser:
        for name, path, height, act in SHOTS:
            size: Any = {"width": WIDTH, "height": height}
            page = browser.new_page(viewport=size, device_scale_factor=SCALE, color_scheme="light")
            page.goto(address + path)
            if act is not None:
                act(page)
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            page.screenshot(path=IMAGES / f"{name}.png")
            page.close()


if __name__ == "__main__":
    main()
