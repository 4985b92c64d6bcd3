"""The configuration keys: defaults, precedence and invalid values."""

from __future__ import annotations

import re
from math import inf, nan

import pytest
from flask import Flask

from flask_skmodels import ConfigurationError, ModelError, SKModels, SKModelsError
from flask_skmodels.config import KEYS
from flask_skmodels.testing import FakeEstimator


def test_defaults() -> None:
    app = Flask("host")
    SKModels(app)
    assert app.config["SKMODELS_URL_PREFIX"] == ""
    assert app.config["SKMODELS_MAX_ROWS"] == 100_000
    assert app.config["SKMODELS_MAX_CELLS"] == 10_000_000
    assert app.config["SKMODELS_MAX_INFLATION"] == 100
    assert app.config["SKMODELS_TIMEOUT"] == 30
    assert app.config["SKMODELS_LOADS_PER_MINUTE"] == 60
    assert app.config["SKMODELS_MAX_CONCURRENCY"] is None
    assert app.config["SKMODELS_MAX_QUEUE"] is None
    assert {f"SKMODELS_{key}" for key in KEYS} <= set(app.config)


def test_configuration_overrides_the_constructor() -> None:
    app = Flask("host")
    app.config["SKMODELS_URL_PREFIX"] = "/from-config"
    SKModels(app, url_prefix="/from-constructor")
    assert app.test_client().get("/from-config/-/models").status_code == 200
    assert app.test_client().get("/from-constructor/-/models").status_code == 404


def test_constructor_overrides_the_default() -> None:
    app = Flask("host")
    SKModels(app, url_prefix="/a/b")
    assert app.config["SKMODELS_URL_PREFIX"] == "/a/b"
    assert app.test_client().get("/a/b/-/health/live").status_code == 200


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("URL_PREFIX", "models"),
        ("URL_PREFIX", "/models/"),
        ("URL_PREFIX", "/"),
        ("URL_PREFIX", None),
        ("URL_PREFIX", 5),
        ("MAX_ROWS", 0),
        ("MAX_ROWS", -1),
        ("MAX_ROWS", True),
        ("MAX_ROWS", "5"),
        ("MAX_ROWS", 1.5),
        ("MAX_ROWS", None),
        ("MAX_CELLS", 0),
        ("MAX_CELLS", 1.5),
        ("MAX_INFLATION", 0),
        ("MAX_INFLATION", "100"),
        ("MAX_CONCURRENCY", 0),
        ("MAX_CONCURRENCY", 1.5),
        ("MAX_QUEUE", -1),
        ("MAX_QUEUE", True),
        ("MAX_QUEUE", False),
        ("MAX_QUEUE", 0.0),
        ("TIMEOUT", 0),
        ("TIMEOUT", "30"),
        ("TIMEOUT", inf),
        ("TIMEOUT", 10**400),
        ("TRIAL_SECONDS", inf),
        ("RELOAD", inf),
        ("ONNX_TOLERANCE", inf),
        ("PAGES", None),
        ("PAGES", "yes"),
        ("TRUSTED_ORIGINS", "https://example.org"),
        ("TRUSTED_ORIGINS", ["example.org"]),
        ("TRUSTED_ORIGINS", ["https://example.org/"]),
        ("DOCS", None),
        ("DOCS", 1),
        ("SECURITY_SCHEMES", None),
        ("SECURITY_SCHEMES", ["token"]),
        ("SECURITY_SCHEMES", {"token": "bearer"}),
        ("SECURITY_SCHEMES", {"token": {"type": "bearer"}}),
        ("SECURITY_SCHEMES", {"my token": {"type": "http", "scheme": "bearer"}}),
    ],
)
@pytest.mark.parametrize("name", ["skmodels", "other"])
def test_invalid_value(key: str, value: object, name: str) -> None:
    app = Flask("host")
    full = f"{name.upper()}_{key}"
    app.config[full] = value
    with pytest.raises(ConfigurationError, match=f"^{full} must be .*, not ") as caught:
        SKModels(app, name=name)
    assert isinstance(caught.value, SKModelsError)
    app.config.pop(full)
    SKModels(app, name=name)  # the rejected extension left no state
    assert app.test_client().get("/-/models").status_code == 200


@pytest.mark.parametrize(
    "value",
    [0, 1, -1, 0.5, 1.0, True, False, "1", inf, -inf, nan, 10**400],
    ids=lambda value: repr(value)[:5],
)
@pytest.mark.parametrize(
    "name",
    ["max_rows", "max_cells", "max_explained_rows", "max_concurrency", "max_queue", "timeout"],
)
def test_limit_of_a_model_must_be_valid_for_the_key_of_its_name(name: str, value: object) -> None:
    app = Flask("host")
    app.config |= {"SKMODELS_MAX_CONCURRENCY": 1, f"SKMODELS_{name.upper()}": value}
    limits = {"max_concurrency": 1, name: value}
    try:
        SKModels(app)
    except ConfigurationError as error:
        said = str(error).removeprefix(f"SKMODELS_{name.upper()} must be ")
        message = f"model 'm': {name} must be None or {said.removeprefix('None or ')}"
        with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
            SKModels().add("m", FakeEstimator(predict=len), **limits)
    else:
        SKModels().add("m", FakeEstimator(predict=len), **limits)
