"""The source of a module that registers an estimator, to be edited."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_skmodels.artifacts.loading import Artifact, Loaded, Policy, load
from flask_skmodels.artifacts.skops import untrusted_types
from flask_skmodels.errors import ModelError
from flask_skmodels.estimators import introspect
from flask_skmodels.models import KeyValueModel, Model, name_of, rules_from

_MODULE = '''\
"""The model {name}."""

from flask import Flask

from flask_skmodels import Artifact, {base}, SKModels

models = SKModels()


@models.register
class {cls}({base}):
    """What {name} predicts."""

    name = "{name}"
{attributes}

def create_app() -> Flask:
    app = Flask(__name__)
    models.init_app(app)
    return app
'''


def registration(name: str, file: Path, folder: Path) -> str:
    """Return the source of a module that registers the estimator of a file.

    The file is loaded whether it is pinned or not, so what it holds is run.

    :param name: of the model
    :param file: the estimator's
    :param folder: where the module is to be, which the file's path is relative to
    :raises ArtifactError: the file cannot be loaded
    :raises ModelError: no model can have that name
    """
    name_of(Model(name=name))
    artifact = Artifact(file.absolute(), trusted=untrusted_types(file))
    loaded = load(artifact, Policy(root=Path.cwd(), trust_pickle=True))
    inputs = introspect.inputs(loaded.estimator)
    rules = rules_from(inputs)
    base = Model if rules is None or inputs.container == "sequence" else KeyValueModel
    return _MODULE.format(
        name=name,
        cls=_class_name(name),
        base=base.__name__,
        attributes="".join(_attributes(artifact, loaded, rules, folder)),
    )


def _attributes(
    artifact: Artifact,
    loaded: Loaded,
    rules: Mapping[str, Mapping[str, Any]] | None,
    folder: Path,
) -> list[str]:
    path = os.path.relpath(artifact.path, folder.absolute())
    given = {"sha256": loaded.sha256, "trusted": list(artifact.trusted)}
    lines = ["    pipeline = Artifact(\n", f"        {_literal(path)},\n"]
    lines += [f"        {key}={_literal(value)},\n" for key, value in given.items() if value]
    lines += ["    )\n"]
    if "predict_proba" in introspect.methods(loaded.estimator):
        lines.append("    probability = True\n")
    if rules is not None:
        fields = [
            f"        {_literal(field)}: {_literal(rule)},\n" for field, rule in rules.items()
        ]
        lines += ["    schema = {\n", *fields, "    }\n"]
    return lines


def _literal(value: Any) -> str:
    """Return a value as source, as a formatter would have it."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    return f"[{', '.join(map(_literal, value))}]" if isinstance(value, list) else repr(value)


def _class_name(name: str) -> str:
    words = re.split(r"[^A-Za-z0-9]+", name)
    cls = "".join(word[:1].upper() + word[1:] for word in words)
    if not cls.isidentifier():
        raise ModelError(f"no class can be named after model {name!r}: begin it with a letter")
    return cls
