from datetime import UTC, datetime, timedelta

import pytest

from tidings.core.keys import ApiKey, Scope, digest, fits, key_id_of, new_token

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def key(*scopes: Scope, **fields: datetime) -> ApiKey:
    return ApiKey(
        id="k3v7qz2a", name="shop", scopes=scopes, created_by="a test", created_at=NOW, **fields
    )


def test_a_token_holds_its_public_id_and_256_bits_that_differ_each_time() -> None:
    (key_id, token), (_, other) = new_token(), new_token()

    assert token.startswith(f"tdg_{key_id}_")
    assert key_id_of(token) == key_id
    assert len(token.rpartition("_")[2]) * 5 >= 256
    assert token != other


def test_a_token_fits_its_own_digest_alone() -> None:
    (_, token), (_, other) = new_token(), new_token()

    assert fits(token, digest(token))
    assert not fits(other, digest(token))
    assert token not in digest(token)


@pytest.mark.parametrize(
    "text", ["", "tdg_", "Bearer x", "tdg_k3v7qz2a_short", "tdg_K3V7QZ2A_" + "a" * 52, "é" * 65]
)
def test_what_is_no_token_has_no_id(text: str) -> None:
    assert key_id_of(text) is None


def test_admin_allows_everything_and_other_scopes_only_themselves() -> None:
    assert all(key(Scope.ADMIN).allows(scope) for scope in Scope)
    assert [scope for scope in Scope if key(Scope.READ).allows(scope)] == [Scope.READ]


def test_a_key_ends_when_it_expires_or_is_revoked() -> None:
    assert key(Scope.READ).is_live(NOW)
    assert key(Scope.READ, expires_at=NOW + timedelta(seconds=1)).is_live(NOW)
    assert not key(Scope.READ, expires_at=NOW).is_live(NOW)
    assert not key(Scope.READ, revoked_at=NOW).is_live(NOW)
