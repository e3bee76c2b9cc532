"""Which scope a request needs: one table for all routes; what it does not name needs `admin`."""

from collections.abc import Mapping
from typing import Any

from tidings.core.keys import Scope

#: public by nature; each bounded by itself
PUBLIC_PATHS = frozenset({"/register", "/healthz", "/readyz", "/login", "/login/end"})
PUBLIC_FOLDER = "/static/"

_ADMINS_OWN = ("/v1/keys", "/v1/audit")
#: methods that change nothing
READING = frozenset({"GET", "HEAD"})
#: asks by POST, so that what is looked for stays out of logs
_SEARCHES = frozenset({"/outbox", "/dead-letters", "/v1/suppressions/find"})
#: where a page changes something by itself, so that its reader's session must do
_PAGE_ACTIONS = "/dead-letters/"
#: what an application needs: to say what happened, and to whom, and what came of it
_TRIGGERING = (
    ("POST", "/v1/events"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/cancellations"),
    ("POST", "/v1/receipts"),
    ("POST", "/v1/users/"),
    ("PUT", "/v1/users/"),
    ("PUT", "/v1/suppressions"),
)


#: what keeps messages from people, or lets them through again: asked about later, whoever did it
_AUDITED = ("/v1/cancellations", "/v1/suppressions")


def asked_path(scope: Mapping[str, Any]) -> str:
    """The path as routes see it: without the prefix an app is mounted or served under."""
    path, root = str(scope.get("path", "")), str(scope.get("root_path", "")).rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def needed_scope(method: str, path: str) -> Scope | None:
    """The scope a request needs; None for what is public."""
    if path in PUBLIC_PATHS or path.startswith(PUBLIC_FOLDER):
        return None
    if path.startswith(_ADMINS_OWN):
        return Scope.ADMIN
    if method in READING or path in _SEARCHES:
        return Scope.READ
    triggers = any(method == one and path.startswith(start) for one, start in _TRIGGERING)
    return Scope.TRIGGER if triggers else Scope.ADMIN


def is_audited(method: str, path: str, needed: Scope | None) -> bool:
    """Whether it is written down who asked for it: what changes something and not for itself."""
    if method in READING or needed is Scope.READ:
        return False
    return needed is Scope.ADMIN or path.startswith(_AUDITED)


def takes_session(needed: Scope, path: str) -> bool:
    """Whether a page's session may stand for its key: to read, and where a page has buttons."""
    return needed is Scope.READ or path.startswith(_PAGE_ACTIONS)
