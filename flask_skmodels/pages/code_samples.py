"""A request as a command and as a program, to copy."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from flask_skmodels.codecs.json_text import dumps

JSON = "application/json"


def curl(url: str, row: Mapping[str, Any]) -> str:
    """Return the command that asks for the prediction of a row.

    :param url: the address
    :param row: the values by field, as JSON has them
    """
    body = shlex.quote(dumps(row).decode())
    return f"curl {shlex.quote(url)} \\\n  -H 'Content-Type: {JSON}' \\\n  -d {body}"


def curl_file(url: str, content_type: str, name: str) -> str:
    """Return the command that asks for the predictions of a file.

    :param url: the address
    :param content_type: the file's
    :param name: of the file
    """
    header = shlex.quote(f"Content-Type: {content_type}")
    return f"curl {shlex.quote(url)} \\\n  -H {header} \\\n  --data-binary @{shlex.quote(name)}"


def python(url: str, row: Mapping[str, Any]) -> str:
    """Return the program that asks for the prediction of a row.

    :param url: the address
    :param row: the values by field
    """
    lines = [f"        {_literal(name)}: {_literal(value)}," for name, value in row.items()]
    body = "\n".join(lines)
    return (
        "import requests\n\nanswer = requests.post(\n"
        f"    {_literal(url)},\n    json={{\n{body}\n    }},\n)\n"
        'print(answer.json()["predictions"])'
    )


def _literal(value: Any) -> str:
    """Return what stands for a value in a program; texts in double quotes where that is simple."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    is_simple = isinstance(value, str) and value.isprintable() and not {*'"\\'} & {*value}
    return f'"{value}"' if is_simple else repr(value)
