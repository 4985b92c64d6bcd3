"""The token of Flask-WTF against forged forms, for applications that use it."""

from __future__ import annotations

from flask import Flask


def csrf_of(app: Flask) -> tuple[str, str] | None:
    """Return the name and value of the application's CSRF token, as provided by Flask-WTF."""
    token = app.jinja_env.globals.get("csrf_token")
    name = app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token")
    return (str(name), str(token())) if callable(token) else None
