"""Code samples that send a request: as a curl command and as a Python program."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from flask_skmodels.codecs.json_text import dumps

JSON = "application/json"


def curl(url: str, row: Mapping[str, Any]) -> str:
    """Return a curl command that requests the prediction of one row.

    :param url: URL of the request
    :param row: values by field, as they are in JSON
    """
    body = shlex.quote(dumps(row).decode())
    return f"curl {shlex.quote(url)} \\\n  -H 'Content-Type: {JSON}' \\\n  -d {body}"


def curl_file(url: str, content_type: str, name: str) -> str:
    """Return a curl command that requests the predictions of a file.

    :param url: URL of the request
    :param content_type: content type of the file
    :param name: name of the file
    """
    header = shlex.quote(f"Content-Type: {content_type}")
    return f"curl {shlex.quote(url)} \\\n  -H {header} \\\n  --data-binary @{shlex.quote(name)}"


def python(url: str, row: Mapping[str, Any]) -> str:
    """Return a Python program that requests the prediction of one row.

    :param url: URL of the request
    :param row: values by field
    """
    lines = [f"        {_literal(name)}: {_literal(value)}," for name, value in row.items()]
    body = "\n".join(lines)
    return (
        "import requests\n\nresponse = requests.post(\n"
        f"    {_literal(url)},\n    json={{\n{body}\n    }},\n)\n"
        'print(response.json()["predictions"])'
    )


def _literal(value: Any) -> str:
    """Return a value as a Python literal; simple texts are in double quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    is_simple = isinstance(value, str) and value.isprintable() and not {*'"\\'} & {*value}
    return f'"{value}"' if is_simple else repr(value)
