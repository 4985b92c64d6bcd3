"""The profile of training data: measured, saved, read and used by a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from flask_skmodels import ModelError, Profile, SKModels

pd = pytest.importorskip("pandas")


def frame(rows: int = 200) -> Any:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": random.integers(18, 70, rows),
            "income": random.normal(3456.7891, 100, rows),
            "town": random.choice(["Oslo", "Bergen"], rows),
        }
    )


def fields_of(models: SKModels, name: str) -> dict[str, Any]:
    app = Flask("app")
    models.init_app(app)
    fields: dict[str, Any] = app.test_client().get(f"/{name}/").get_json()["fields"]
    return fields


def test_profile_is_equal_after_it_was_saved(tmp_path: Path) -> None:
    X = frame()
    profile = Profile.of(X, X.age)
    profile.save(tmp_path / "risk.profile.json")
    assert Profile.load(tmp_path / "risk.profile.json") == profile


def test_profile_decides_on_the_inferred_types() -> None:
    X = frame()
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["town"]), remainder="passthrough"
    )
    pipeline = make_pipeline(encoder, LinearRegression()).fit(X, X.age)
    models = SKModels()
    models.add("risk", pipeline, profile=X)
    types = {name: rules["type"] for name, rules in fields_of(models, "risk").items()}
    assert types == {"age": "integer", "income": "number", "town": ["string", "null"]}


def test_profile_names_the_columns_that_no_step_knows() -> None:
    X = frame()[["age", "income"]]
    ratio = FunctionTransformer(lambda X: (X["age"] / X["income"]).to_frame())
    pipeline = make_pipeline(ratio, LinearRegression()).fit(X, X.age)
    models = SKModels()
    models.add("risk", pipeline, profile=Profile.of(X))
    assert list(fields_of(models, "risk")) == ["age", "income"]


def test_profile_of_other_columns_is_refused() -> None:
    X = frame()[["age", "income"]]
    pipeline = StandardScaler().fit(X)
    other = X.rename(columns={"income": "salary"})
    message = "model 'risk': .*not in the profile: 'income'; only in the profile: 'salary'"
    with pytest.raises(ModelError, match=message):
        SKModels().add("risk", pipeline, profile=other)


def test_profile_of_more_columns_than_an_array_had_is_refused() -> None:
    X = frame()[["age", "income"]]
    pipeline = StandardScaler().fit(X.to_numpy())
    with pytest.raises(ModelError, match="has 3 columns, the estimator takes 2"):
        SKModels().add("risk", pipeline, profile=frame())
