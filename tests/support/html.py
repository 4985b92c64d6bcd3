"""Pages as a browser without JavaScript shows them: forms, text, tables and links."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import orjson
import pyarrow as pa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
_VOID = {"input", "link", "meta", "br", "hr", "img"}


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str]
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Its text, with single blanks."""
        parts = (c if isinstance(c, str) else c.text for c in self.children)
        return " ".join(" ".join(parts).split())

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def all(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the elements in it of a tag and with these attributes, ``class_`` for a class."""
        found = []
        for child in (c for c in self.children if isinstance(c, Element)):
            if child.is_like(tag, attributes):
                found.append(child)
            found += child.all(tag, **attributes)
        return found

    def one(self, tag: str = "", **attributes: str) -> Element:
        [found] = self.all(tag, **attributes)
        return found

    def is_like(self, tag: str, attributes: dict[str, str]) -> bool:
        if tag and tag != self.tag:
            return False
        classes = self.attributes.get("class", "").split()
        own = {**self.attributes, "class_": ""}
        return all(
            value in classes if name == "class_" else own.get(name.replace("_", "-")) == value
            for name, value in attributes.items()
        )


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = Element("", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].children.append(Element(tag, {n: v or "" for n, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self._open[-1].tag == tag, f"{tag} closes {self._open[-1].tag}"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def read(response: TestResponse, status: int = 200) -> Element:
    """Return the page that an answer is, with its elements in order."""
    assert response.status_code == status, response.text
    assert response.content_type == "text/html; charset=utf-8"
    assert "Accept" in response.vary
    return parsed(response.text)


def parsed(text: str) -> Element:
    """Return HTML as its elements in order."""
    reader = _Reader()
    reader.feed(text)
    assert reader._open == [reader.root]
    return reader.root


def get(client: FlaskClient, path: str, status: int = 200) -> Element:
    """Return the page at a path."""
    return read(client.get(path, headers=HTML), status)


def fill(page: Element, form_id: str = "predict", **values: str) -> dict[str, str]:
    """Return what a browser sends of the form of a section, with some values changed."""
    form = page.one(id=form_id).all("form")[0]
    sent: dict[str, str] = {}
    for each in form.all("input"):
        kind = each.attributes.get("type")
        if kind == "file" or (kind == "checkbox" and "checked" not in each.attributes):
            continue
        sent[each.attributes["name"]] = each.attributes.get("value", "")
    for each in form.all("select"):
        chosen = [o for o in each.all("option") if "selected" in o.attributes]
        option = (chosen or each.all("option"))[0]
        sent[each.attributes["name"]] = option.attributes["value"]
    for each in form.all("textarea"):
        sent[each.attributes["name"]] = each.text
    return sent | values


def submit(client: FlaskClient, path: str, status: int = 200, **values: str) -> Element:
    """Fill in the form at a path, press its first button, and return the page that comes."""
    data = fill(get(client, path), **values)
    return read(client.post(path.partition("?")[0], data=data, headers=HTML), status)


def statistics(page: Element) -> dict[str, str]:
    """Return the labelled statistics of a page."""
    return {e.one("dt").text: e.one("dd").text for e in page.all("div", class_="statistic")}


def bars(element: Element) -> dict[str, str]:
    """Return the labels and amounts of drawn bars."""
    return {row.one("th").text: row.one("td", class_="amount").text for row in element.all("tr")}


def errors_beside(page: Element) -> dict[str, str]:
    """Return what is said to be wrong beside each input, by its name."""
    found = {}
    for each in page.one(id="predict").all("div", class_="invalid"):
        [control] = [*each.all("input"), *each.all("select"), *each.all("textarea")]
        error = each.one("p", class_="error")
        assert error.attributes["id"] in control.attributes["aria-describedby"].split()
        assert control.attributes["aria-invalid"] == "true"
        found[control.attributes["name"]] = error.text
    return found


def rows_of(table: Element) -> list[list[str]]:
    """Return the texts of a table, its head first."""
    rows = table.all("tr")
    return [[c.text for c in row.children if isinstance(c, Element)] for row in rows]


def upload(
    client: FlaskClient, path: str, body: bytes, name: str, status: int = 200, **more: Any
) -> Element:
    """Send a file by the second form of a page."""
    data = {"file": (BytesIO(body), name), **more}
    return read(client.post(path, data=data, headers=HTML), status)


def file_of(suffix: str, rows: list[dict[str, Any]]) -> tuple[bytes, str]:
    """Return rows as a file, and its content type."""
    if suffix == "arrow":
        table, sink = pa.Table.from_pylist(rows), pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"
    if suffix == "csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        return "\n".join(lines).encode(), "text/csv"
    if suffix == "ndjson":
        return b"\n".join(map(orjson.dumps, rows)), "application/x-ndjson"
    return orjson.dumps(rows), "application/json"
