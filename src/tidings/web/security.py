"""The headers that keep a page from running or loading anything that is not ours."""

import re
from collections.abc import Mapping

from starlette.responses import HTMLResponse, Response

_COMMON: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}

_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# The reader of the API's document sets styles in place, and draws its icons from data.
_DOCS_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"
)

# Links in a mail may open in a tab of their own; nothing runs and nothing is fetched from afar.
_MAIL_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; "
    "style-src 'unsafe-inline'; img-src data:; font-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)

_HEAD = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_LINKS_OPEN_OUTSIDE = '<base target="_blank">'


def page_response(html: str, *, status: int = 200) -> Response:
    """One of our own pages: scripts and styles from our own files only."""
    return _guarded(html, _PAGE_POLICY, status)


def docs_response(html: str) -> Response:
    """The page that shows the API's document."""
    return _guarded(html, _DOCS_POLICY)


def mail_response(html: str) -> Response:
    """Somebody's HTML mail, to be shown in a frame: no script, no form, nothing from afar."""
    headers = {
        **_COMMON,
        "Content-Security-Policy": _MAIL_POLICY,
        "X-Frame-Options": "SAMEORIGIN",
    }
    return HTMLResponse(_with_links_outside(html), headers=headers)


def _guarded(html: str, policy: str, status: int = 200) -> Response:
    headers = {**_COMMON, "Content-Security-Policy": policy, "X-Frame-Options": "DENY"}
    return HTMLResponse(html, status_code=status, headers=headers)


def _with_links_outside(html: str) -> str:
    head = _HEAD.search(html)
    if head is None:
        return _LINKS_OPEN_OUTSIDE + html
    return html[: head.end()] + _LINKS_OPEN_OUTSIDE + html[head.end() :]
