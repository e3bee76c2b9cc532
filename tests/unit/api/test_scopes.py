import pytest

from tidings.api.scopes import is_audited, needed_scope
from tidings.core.keys import Scope


@pytest.mark.parametrize("path", ["/register", "/healthz", "/readyz", "/login", "/static/a/b.css"])
def test_what_is_public_by_nature_needs_no_scope(path: str) -> None:
    assert needed_scope("GET", path) is None


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/events"),
        ("POST", "/v1/events/bulk"),
        ("POST", "/v1/messages"),
        ("PUT", "/v1/users/ann"),
        ("PUT", "/v1/users/ann/preferences"),
        ("POST", "/v1/cancellations"),
        ("POST", "/v1/receipts"),
        ("PUT", "/v1/suppressions"),
    ],
)
def test_what_an_application_does_needs_trigger(method: str, path: str) -> None:
    assert needed_scope(method, path) is Scope.TRIGGER


@pytest.mark.parametrize("path", ["/", "/dashboard", "/metrics", "/v1/events/1", "/openapi.json"])
def test_what_only_shows_needs_read(path: str) -> None:
    assert needed_scope("GET", path) is Scope.READ
    assert needed_scope("HEAD", path) is Scope.READ


@pytest.mark.parametrize("path", ["/outbox", "/v1/suppressions/find"])
def test_searching_needs_read_though_it_is_a_post(path: str) -> None:
    assert needed_scope("POST", path) is Scope.READ


@pytest.mark.parametrize(
    ("method", "path", "audited"),
    [
        ("PUT", "/v1/workflows/welcome", True),
        ("DELETE", "/v1/suppressions/x", True),
        ("PUT", "/v1/suppressions", True),
        ("POST", "/v1/cancellations", True),
        ("POST", "/v1/suppressions/find", False),
        ("GET", "/v1/suppressions", False),
        ("GET", "/v1/keys", False),
        ("POST", "/v1/events", False),
        ("POST", "/register", False),
    ],
)
def test_what_is_asked_about_later_is_audited(method: str, path: str, audited: bool) -> None:
    assert is_audited(method, path, needed_scope(method, path)) is audited


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/keys"),
        ("GET", "/v1/audit"),
        ("PUT", "/v1/workflows/welcome"),
        ("DELETE", "/v1/suppressions/x"),
        ("DELETE", "/v1/users/ann"),
        ("POST", "/v1/something-new"),
        ("PATCH", "/dashboard"),
        ("POST", "/v1/keys"),
        ("QUERY", "/v1/events"),
    ],
)
def test_all_else_needs_admin(method: str, path: str) -> None:
    assert needed_scope(method, path) is Scope.ADMIN
