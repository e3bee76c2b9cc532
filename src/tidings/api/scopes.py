"""Which scope a request needs: one table for all routes; what it does not name needs `admin`."""

from tidings.core.keys import Scope

#: public by nature; each bounded by itself
PUBLIC_PATHS = frozenset({"/register", "/healthz", "/readyz", "/login", "/login/end"})
PUBLIC_FOLDER = "/static/"

_ADMINS_OWN = ("/v1/keys", "/v1/audit")
#: methods that change nothing
READING = frozenset({"GET", "HEAD"})
#: asks by POST, so that what is looked for stays out of logs
_SEARCHES = frozenset({"/outbox"})
#: what an application needs: to say what happened, and to whom
_TRIGGERING = (
    ("POST", "/v1/events"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/users/"),
    ("PUT", "/v1/users/"),
)


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
