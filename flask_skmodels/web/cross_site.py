"""Protection against forms that a page of another site sends with the visitor's login."""

from __future__ import annotations

from collections.abc import Container

from flask import Request
from werkzeug.exceptions import Forbidden

# Content types that a page may send to another site without its consent (CORS: simple requests).
_SIMPLE_TYPES = {"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}

# Authentication schemes whose credentials a browser sends automatically.
_AUTOMATIC_SCHEMES = {"basic", "digest", "negotiate", "ntlm"}


class CrossSite(Forbidden):
    """A page of another site has sent a form together with the visitor's login."""

    rule = "origin"
    description = "a form from another site is not accepted together with a login"


def check_origin(request: Request, trusted: Container[str]) -> None:
    """Refuse a request that a page of another site may have sent with the visitor's login.

    Such a request is a form with a cookie, or with a login that browsers send automatically, and
    the browser says that it comes from another site: with ``Sec-Fetch-Site`` (W3C Fetch Metadata),
    or with ``Origin`` (RFC 6454) if it does not send that header. Other clients send neither
    header, and their requests need no check.

    :param request: a request with one of these headers
    :param trusted: origins that may send forms
    :raises CrossSite: the request is refused
    """
    is_simple = request.mimetype in _SIMPLE_TYPES
    if is_simple and _has_login(request) and _is_cross_site(request, trusted):
        raise CrossSite


def _has_login(request: Request) -> bool:
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    return "Cookie" in request.headers or scheme in _AUTOMATIC_SCHEMES


def _is_cross_site(request: Request, trusted: Container[str]) -> bool:
    origin = request.headers.get("Origin", "")
    if origin in trusted:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin.partition("://")[2] != request.host
