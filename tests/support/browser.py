"""A real browser for the tests: the system's Chromium, which may only call the test's server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

from flask import Flask
from werkzeug.serving import make_server

from tests.support.skips import library, program

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOST = "127.0.0.1"
POLL_SECONDS = 0.02  # a server that has to stop checks for it this often
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@contextmanager
def serving(app: Flask) -> Iterator[str]:
    """Serve an application in a thread, and yield its address."""
    server = make_server(HOST, 0, app, threaded=True)
    thread = Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the system's Chromium, or skip the test where it is not installed."""
    playwright_api = library("playwright.sync_api")
    path = program("chromium")
    with playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


class Witness:
    """Records what must not happen in a page: errors, and requests to other servers.

    :param page: the page
    :param address: of the only server that the page may call
    """

    def __init__(self, page: Page, address: str) -> None:
        self.found: list[str] = []
        self._address = address
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._note_request)
        page.on("requestfailed", lambda request: self.found.append(f"failed: {request.url}"))

    def _note_console(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.found.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Any) -> None:
        if not request.url.startswith((f"{self._address}/", "data:", "blob:")):
            self.found.append(f"elsewhere: {request.url}")
