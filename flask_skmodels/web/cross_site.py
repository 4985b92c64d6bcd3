"""Whether a form comes from a page of another site, with the login that the browser keeps here."""

from __future__ import annotations

from collections.abc import Container

from flask import Request
from werkzeug.exceptions import Forbidden

# What a page may send to another site without asking it first (CORS, "simple requests").
_UNASKED = {"", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain"}

# The schemes whose credentials a browser adds by itself; it asks before it sends another one.
_SENT_BY_ITSELF = {"basic", "digest", "negotiate", "ntlm"}


class CrossSite(Forbidden):
    """A page of another site has sent a form, and the browser its login."""

    rule = "origin"
    description = "a form of another site is not taken together with a login"


def check_origin(request: Request, trusted: Container[str]) -> None:
    """Refuse what a page of another site can have sent in the name of a visitor.

    That is a form with a cookie, or a login that browsers add by themselves, of which the browser
    says that it is from elsewhere: by ``Sec-Fetch-Site`` (W3C Fetch Metadata), or by ``Origin``
    (RFC 6454) where it has no such header. A client that is no browser sends neither.

    :param request: the request at hand
    :param trusted: origins that may
    :raises CrossSite: it is refused
    """
    environ = request.environ
    if "HTTP_ORIGIN" not in environ and "HTTP_SEC_FETCH_SITE" not in environ:
        return
    if request.mimetype in _UNASKED and _has_login(request) and _is_foreign(request, trusted):
        raise CrossSite


def _has_login(request: Request) -> bool:
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    return "Cookie" in request.headers or scheme in _SENT_BY_ITSELF


def _is_foreign(request: Request, trusted: Container[str]) -> bool:
    origin = request.headers.get("Origin", "")
    if origin in trusted:
        return False
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    return origin.partition("://")[2] != request.host
