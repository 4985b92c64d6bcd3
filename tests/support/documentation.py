"""The pages of the documentation as tests read them: code, commands and responses."""

from __future__ import annotations

import re
import shlex
import textwrap
from pathlib import Path

import pytest
from flask.testing import FlaskClient

ROOT = Path(__file__).parent.parent.parent
NUMBERS = re.compile(r"-?[0-9]+\.[0-9]+(?:e[-+]?[0-9]+)?")
_CURL = re.compile(r"^curl (.*?)(localhost:5000\S*)\n?(.*)$", re.DOTALL)


def page(name: str) -> str:
    """Return the text of a page, by its path below ``docs`` without the suffix."""
    return (ROOT / "docs" / f"{name}.rst").read_text(encoding="utf-8")


def blocks(text: str, directive: str) -> list[str]:
    """Return the contents of each directive of a page, without options and indentation."""
    pattern = rf"^\.\. {directive}\n(?:   :.*\n)*\n((?:   .*\n|\n)+)"
    found = re.findall(pattern, text, re.MULTILINE)
    return [textwrap.dedent(block).strip("\n") + "\n" for block in found]


def files(text: str) -> dict[str, str]:
    """Return the contents of the code blocks of a page that are files, by their captions."""
    pattern = r"^\.\. code-block:: \w+\n   :caption: (\S+)\n(?:   :.*\n)*\n((?:   .*\n|\n)+)"
    found = re.findall(pattern, text, re.MULTILINE)
    return {name: textwrap.dedent(block).strip("\n") + "\n" for name, block in found}


def conversations(text: str) -> list[tuple[str, str]]:
    """Return each curl command of a page that asks port 5000, with the answer that follows it."""
    commands = [
        c
        for b in blocks(text, "code-block:: console")
        for c in re.split(r"^\$ ", b, flags=re.MULTILINE)
    ]
    found = [match.groups() for match in map(_CURL.match, commands) if match]
    return [(options + address, response.strip("\n")) for options, address, response in found]


def sent(client: FlaskClient, command: str) -> str:
    """Return the body of the answer to what a curl command sends.

    The cookies of the client are sent if the command has an option for them.
    """
    *options, url = shlex.split(command.replace("\\\n", " "))
    is_redirected = "-L" in options
    options = [option for option in options if option != "-L"]
    given = list(zip(options[::2], options[1::2], strict=True))
    if not {"-b", "-c"} & {option for option, _ in given}:
        client = client.application.test_client(use_cookies=False)
    headers = dict(value.split(": ", 1) for option, value in given if option == "-H")
    body = "&".join(value for option, value in given if option == "-d")
    path = url.removeprefix("localhost:5000")
    if not body:
        return client.get(path, headers=headers, follow_redirects=is_redirected).text
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    response = client.post(path, data=body, headers=headers, follow_redirects=is_redirected)
    return response.text


def check_response(shown: str, got: str) -> None:
    """Hold an answer against the one that a page shows; the last bits of numbers may differ."""
    assert NUMBERS.sub("number", got.rstrip("\n")) == NUMBERS.sub("number", shown)
    floats = [float(number) for number in NUMBERS.findall(got)]
    assert floats == pytest.approx([float(n) for n in NUMBERS.findall(shown)], rel=1e-6)
