"""The User Service: people, where they are reached, and what they chose."""

from collections.abc import Sequence

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.errors import NotFound
from tidings.core.ids import address_hash
from tidings.core.locales import normalise_locale
from tidings.core.ports import Store
from tidings.users import rows, suppression_rows
from tidings.users.addresses import normalise_email
from tidings.users.choices import check_preferences
from tidings.users.people import Preference, Saved, User, check_name, check_user_id


class UserService:
    """Keeps people; whatever changes how they are reached raises their `consent_version`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def put(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        locale: str | None = None,
    ) -> Saved:
        """Make or replace a user: what isn't given is gone afterwards. Raises InvalidInput."""
        check_user_id(user_id)
        wanted_email = None if email is None else normalise_email(email)
        wanted_name = None if name is None else check_name(name)
        wanted_locale = None if locale is None else normalise_locale(locale)

        def work(connection: sa.Connection) -> Saved:
            now = self._clock.now()
            held_by = self._suppression(connection, wanted_email)
            created = rows.add_user(connection, user_id, now)
            rows.describe_user(connection, user_id, name=wanted_name, locale=wanted_locale, now=now)
            changed = rows.replace_email(
                connection, user_id, wanted_email, now, suppression=held_by
            )
            if changed and not created:
                rows.raise_consent(connection, [user_id], now)
            return Saved(user=_existing(connection, user_id), created=created)

        return await self._store.run(work)

    async def get(self, user_id: str) -> User:
        """The user. Raises NotFound."""
        check_user_id(user_id)
        return await self._store.run(lambda connection: _existing(connection, user_id))

    async def preferences(self, user_id: str) -> list[Preference]:
        """What the user chose. Raises NotFound."""
        check_user_id(user_id)

        def work(connection: sa.Connection) -> list[Preference]:
            _existing(connection, user_id)
            return rows.find_preferences(connection, user_id)

        return await self._store.run(work)

    async def set_preferences(
        self, user_id: str, preferences: Sequence[Preference]
    ) -> list[Preference]:
        """Replace all that the user chose. Raises NotFound and InvalidInput."""
        check_user_id(user_id)
        wanted = check_preferences(preferences)

        def work(connection: sa.Connection) -> list[Preference]:
            if not rows.lock_user(connection, user_id):
                raise _unknown()
            if rows.find_preferences(connection, user_id) != wanted:
                now = self._clock.now()
                rows.replace_preferences(connection, user_id, wanted, now)
                rows.raise_consent(connection, [user_id], now)
            return rows.find_preferences(connection, user_id)

        return await self._store.run(work)

    async def reject_address(self, channel: str, address: str) -> None:
        """Stop using an address that a provider refused for good, whoever has it."""

        def work(connection: sa.Connection) -> None:
            owners = rows.lock_owners(connection, channel, address)
            if owners:
                rows.mark_rejected(connection, channel, address)
                rows.raise_consent(connection, owners, self._clock.now())

        await self._store.run(work)

    def _suppression(self, connection: sa.Connection, email: str | None) -> str | None:
        """What the address is suppressed by, asked before any user is locked."""
        if email is None:
            return None
        key = self._store.installation.address_key
        return suppression_rows.held_by(connection, address_hash(key, rows.EMAIL, email))


def _existing(connection: sa.Connection, user_id: str) -> User:
    user = rows.find_user(connection, user_id)
    if user is None:
        raise _unknown()
    return user


def _unknown() -> NotFound:
    return NotFound("there is no such user: make one with PUT /v1/users/{id}", field="id")
