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
from tests.support.skips import library

pd = library("pandas")


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


# Signature checks


def scaler() -> Any:
    return StandardScaler().fit(frame()[["age", "income"]])


def test_type_of_a_field_without_rules_is_that_of_the_training_data() -> None:
    models = SKModels()
    X = frame()[["age", "income"]]
    models.add("risk", scaler(), profile=X, schema={"age": {}, "income": {"min": 0}})
    fields = fields_of(models, "risk")
    assert [rules["type"] for rules in fields.values()] == ["integer", "number"]


def test_declared_type_that_is_not_that_of_the_training_data_is_refused() -> None:
    X = frame()[["age", "income"]]
    schema = {"age": {"type": "string"}, "income": {}}
    message = "model 'risk': its profile does not match the schema: field 'age' .* dtype int64"
    with pytest.raises(ModelError, match=message):
        SKModels().add("risk", scaler(), profile=X, schema=schema)


def test_declared_type_may_differ_where_the_field_converts() -> None:
    X = frame()[["age", "income"]]
    schema = {"age": {"type": "string", "transform": int}, "income": {"type": "number"}}
    SKModels().add("risk", scaler(), profile=X, schema=schema)


def test_file_that_is_no_profile_is_refused_with_the_name_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "risk.profile.json"
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(ModelError, match=r"its profile cannot be used: .*not a JSON"):
        SKModels().add("risk", scaler(), profile=path)


# Ranges


def test_ranges_are_shown_and_not_enforced() -> None:
    models = SKModels()
    models.add("risk", scaler(), profile=frame()[["age", "income"]], methods=["transform"])
    app = Flask("app")
    models.init_app(app)
    client = app.test_client()
    age = client.get("/risk/").get_json()["fields"]["age"]
    assert age["x-training-range"] == [18, 69]
    assert "minimum" not in age
    assert client.post("/risk/", json={"age": 150, "income": 1}).status_code == 200


def test_enforced_ranges_are_bounds_where_none_are_declared() -> None:
    models = SKModels()
    schema = {"age": {}, "income": {"min": 0}}
    X = frame()[["age", "income"]]
    models.add("risk", scaler(), profile=X, schema=schema, enforce_ranges=True)
    fields = fields_of(models, "risk")
    assert (fields["age"]["minimum"], fields["age"]["maximum"]) == (18, 69)
    assert fields["income"]["minimum"] == 0
    assert fields["income"]["maximum"] > X.income.max()


def test_ranges_cannot_be_enforced_without_a_profile() -> None:
    with pytest.raises(ModelError, match="enforce_ranges needs a profile"):
        SKModels().add("risk", scaler(), enforce_ranges=True)
