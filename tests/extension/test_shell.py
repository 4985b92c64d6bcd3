"""The shell of a developer: the names in ``flask shell`` and the list of ``flask routes``."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask.cli import routes_command

from flask_skmodels import SKModels


def test_shell_knows_each_extension(pipeline: Any) -> None:
    app = Flask("shell")
    models, other = SKModels(app), SKModels(app, name="other", url_prefix="/other")
    context = app.make_shell_context()
    assert (context["models"], context["other"]) == (models, other)


def test_routes_show_the_addresses_that_clients_use(pipeline: Any) -> None:
    app = Flask("shell")
    SKModels(app).add("iris", pipeline, probability=True)
    shown = app.test_cli_runner().invoke(routes_command).output
    rules = [line.split()[-1] for line in shown.splitlines()[2:] if line.strip()]
    assert {"/iris/", "/iris/predict/", "/iris/predict_proba/", "/-/openapi.json"} <= {*rules}
    methods = {line.split()[0]: line.split()[1] for line in shown.splitlines()[2:] if line.strip()}
    assert methods["skmodels.iris:predict:form"] == "GET"
    assert methods["skmodels.iris:predict"] == "POST"
    client = app.test_client()
    fixed = [rule for rule in rules if not any(w in rule for w in ("<", "predict", "drift"))]
    assert [rule for rule in fixed if client.get(rule).status_code != 200] == []
