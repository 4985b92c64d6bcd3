"""Code samples that send a request: a curl command, and programs in Python, JavaScript and R.

The samples use the login that the security schemes of the application name. The secret is read from
an environment variable, so a copied sample does not contain it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from flask_skmodels.codecs.json_text import dumps
from flask_skmodels.schema.types import JSONMapping

JSON = "application/json"
_R_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._]*", re.ASCII)
_R_WORDS = {*("if", "else", "repeat", "while", "function", "for", "next", "break", "TRUE", "FALSE")}
_R_WORDS |= {"NULL", "Inf", "NaN", "NA", "in"}
_IN_DOUBLE_QUOTES = re.compile(r'(["\\$`])')


@dataclass(frozen=True, slots=True)
class Login:
    """The way in which a client authenticates.

    :param place: where the secret is sent
    :param name: the name of the header, parameter or cookie
    :param prefix: the text before the secret
    :param variable: the environment variable with the secret
    """

    place: Literal["header", "query", "cookie", "basic", "certificate"]
    name: str = "Authorization"
    prefix: str = ""
    variable: str = "TOKEN"


def login_of(schemes: Mapping[str, JSONMapping]) -> Login | None:
    """Return the login of the first of OpenAPI's security schemes, None if there are none."""
    scheme = next(iter(schemes.values()), None)
    if scheme is None:
        return None
    kind, place = scheme["type"], scheme.get("in")
    if kind == "mutualTLS":
        return Login("certificate")
    if kind == "apiKey":
        where: Any = place if place in ("query", "cookie") else "header"
        return Login(where, str(scheme.get("name", "X-API-Key")), variable="API_KEY")
    name = str(scheme.get("scheme", "bearer")) if kind == "http" else "bearer"
    if name.lower() == "basic":
        return Login("basic")
    return Login("header", prefix=f"{name[:1].upper()}{name[1:]} ")


def login_words(login: Login | None) -> str:
    """Return what to do about the secret in the samples, empty if there is none."""
    if login is None:
        return ""
    if login.place == "certificate":
        return "Put your certificate and its key in place of client.pem and client.key."
    start = "in a terminal, set the environment variable"
    if login.place == "basic":
        return f"First, {start}s USERNAME and PASSWORD to those of your account."
    kind = "API key" if login.variable == "API_KEY" else "access token"
    return (
        f"First, {start} {login.variable} to your {kind}. "
        "You get it from those who run this application."
    )


def samples(url: str, row: JSONMapping, login: Login | None = None) -> list[tuple[str, str]]:
    """Return the title and the text of each sample that predicts one row.

    :param url: URL of the request
    :param row: values by field, as in JSON
    :param login: the login that the URL needs
    """
    return [
        ("curl", curl(url, row, login)),
        ("Python", python(url, row, login)),
        ("JavaScript", javascript(url, row, login)),
        ("R", r(url, row, login)),
    ]


def curl(url: str, row: JSONMapping, login: Login | None = None) -> str:
    """Return a curl command that requests the prediction of one row; see :func:`samples`."""
    body = shlex.quote(dumps(row).decode())
    start = _curl_start(url, login)
    return f"{start} \\\n  -H 'Content-Type: {JSON}' \\\n  -d {body}"


def curl_file(url: str, content_type: str, name: str, login: Login | None = None) -> str:
    """Return a curl command that requests the predictions of a file.

    :param url: URL of the request
    :param content_type: content type of the file
    :param name: name of the file
    :param login: the login that the URL needs
    """
    header = shlex.quote(f"Content-Type: {content_type}")
    start = _curl_start(url, login)
    return f"{start} \\\n  -H {header} \\\n  --data-binary @{shlex.quote(name)}"


def _curl_start(url: str, login: Login | None) -> str:
    if login is None:
        return f"curl {shlex.quote(url)}"
    name, secret = _escaped(login.name), f"${login.variable}"
    if login.place == "query":
        return f'curl "{_escaped(url)}?{name}={secret}"'
    options = {
        "header": f'-H "{name}: {login.prefix}{secret}"',
        "cookie": f'-b "{name}={secret}"',
        "basic": '-u "$USERNAME:$PASSWORD"',
        "certificate": "--cert client.pem --key client.key",
    }
    return f"curl {shlex.quote(url)} \\\n  {options[login.place]}"


def _escaped(text: str) -> str:
    """Return a text escaped for double quotes in a shell."""
    return _IN_DOUBLE_QUOTES.sub(r"\\\1", text)


def python(url: str, row: JSONMapping, login: Login | None = None) -> str:
    """Return a Python program that requests the prediction of one row; see :func:`samples`."""
    lines = [f"        {_literal(name)}: {_literal(value)}," for name, value in row.items()]
    body = "\n".join(lines)
    argument = _python_login(login)
    needs_environment = "os.environ" in argument
    return (
        ("import os\n\n" if needs_environment else "")
        + "import requests\n\nresponse = requests.post(\n"
        + f"    {_literal(url)},\n{argument}    json={{\n{body}\n    }},\n)\n"
        + 'print(response.json()["predictions"])'
    )


def _python_login(login: Login | None) -> str:
    if login is None:
        return ""
    secret = f'os.environ["{login.variable}"]'
    value = f"{_literal(login.prefix)} + {secret}" if login.prefix else secret
    pair = f"{{{_literal(login.name)}: {value}}}"
    arguments = {
        "header": f"headers={pair}",
        "query": f"params={pair}",
        "cookie": f"cookies={pair}",
        "basic": 'auth=(os.environ["USERNAME"], os.environ["PASSWORD"])',
        "certificate": 'cert=("client.pem", "client.key")',
    }
    return f"    {arguments[login.place]},\n"


def javascript(url: str, row: JSONMapping, login: Login | None = None) -> str:
    """Return a JavaScript program that requests the prediction of one row; see :func:`samples`."""
    address, headers, note = _javascript_login(url, login)
    lines = "".join(f"    {name}: {value},\n" for name, value in headers)
    pairs = [f"    {_json(name)}: {_json(value)},\n" for name, value in row.items()]
    return (
        f"{note}const response = await fetch({address}, {{\n"
        f'  method: "POST",\n  headers: {{\n{lines}  }},\n'
        f"  body: JSON.stringify({{\n{''.join(pairs)}  }}),\n}});\n"
        "const answer = await response.json();\nconsole.log(answer.predictions);"
    )


def _javascript_login(url: str, login: Login | None) -> tuple[str, list[tuple[str, str]], str]:
    """Return the URL, the headers, and a comment."""
    headers, address = [('"Content-Type"', f'"{JSON}"')], _json(url)
    if login is None:
        return address, headers, ""
    secret = f"process.env.{login.variable}"
    if login.place == "query":
        return f"{_json(f'{url}?{login.name}=')} + {secret}", headers, ""
    if login.place == "certificate":
        return address, headers, "// fetch sends no client certificate: set it in your HTTP agent\n"
    if login.place == "basic":
        secret = 'btoa(process.env.USERNAME + ":" + process.env.PASSWORD)'  # noqa: S105 - code
    prefixes = {"basic": "Basic ", "cookie": f"{login.name}="}
    prefix = prefixes.get(login.place, login.prefix)
    name = _json("Cookie" if login.place == "cookie" else login.name)
    headers.append((name, f"{_json(prefix)} + {secret}" if prefix else secret))
    return address, headers, ""


def r(url: str, row: JSONMapping, login: Login | None = None) -> str:
    """Return an R program that requests the prediction of one row; see :func:`samples`."""
    pairs = [f"    {_r_name(name)} = {_r_literal(value)}" for name, value in row.items()]
    body = ",\n".join(pairs)
    return (
        f"library(httr2)\n\nresponse <- request({_json(url)}) |>\n{_r_login(login)}"
        f"  req_body_json(list(\n{body}\n  )) |>\n  req_perform()\n"
        "resp_body_json(response)$predictions"
    )


def _r_login(login: Login | None) -> str:
    if login is None:
        return ""
    secret = f'Sys.getenv("{login.variable}")'
    value = f"paste0({_json(login.prefix)}, {secret})" if login.prefix else secret
    cookie = f"paste0({_json(f'{login.name}=')}, {secret})"
    steps = {
        "header": f"req_headers({_r_name(login.name)} = {value})",
        "query": f"req_url_query({_r_name(login.name)} = {value})",
        "cookie": f"req_headers(Cookie = {cookie})",
        "basic": 'req_auth_basic(Sys.getenv("USERNAME"), Sys.getenv("PASSWORD"))',
        "certificate": 'req_options(sslcert = "client.pem", sslkey = "client.key")',
    }
    return f"  {steps[login.place]} |>\n"


def _json(value: Any) -> str:
    """Return a value as JSON, which is also a literal in JavaScript."""
    return dumps(value).decode()


def _r_name(name: str) -> str:
    if _R_NAME.fullmatch(name) and name not in _R_WORDS:
        return name
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _r_literal(value: Any) -> str:
    if isinstance(value, list):
        return f"list({', '.join(map(_r_literal, value))})"
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "TRUE", False: "FALSE"}[value]
    return _json(value)


def _literal(value: Any) -> str:
    """Return a value as a Python literal; simple texts are in double quotes."""
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    is_simple = isinstance(value, str) and value.isprintable() and not {*'"\\'} & {*value}
    return f'"{value}"' if is_simple else repr(value)
