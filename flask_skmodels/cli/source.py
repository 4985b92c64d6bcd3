"""Python source that the commands write: literals, class names and declarations of files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask_skmodels.artifacts.loading import Loaded
from flask_skmodels.exceptions import ModelError


def literal(value: Any) -> str:
    """Return a value as Python source, formatted with double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{literal(k)}: {literal(v)}' for k, v in value.items())}}}"
    return f"[{', '.join(map(literal, value))}]" if isinstance(value, list) else repr(value)


def class_name_for(name: str) -> str:
    """Return the name of a class for the name of a model.

    :raises ModelError: the name of the model cannot be made a class name
    """
    words = re.split(r"[^A-Za-z0-9]+", name)
    cls = "".join(word[:1].upper() + word[1:] for word in words)
    if not cls.isidentifier():
        raise ModelError(
            f"the model name {name!r} cannot be used for a class: begin it with a letter"
        )
    return cls


def options_of(loaded: Loaded, trusted: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of the ``Artifact`` that declares a file, besides its path."""
    options = {"sha256": loaded.sha256, "trusted": list(trusted)}
    return {key: value for key, value in options.items() if value}
