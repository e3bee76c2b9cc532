"""What a caller asks for, checked and turned into what is stored in one commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tidings.api.idempotency import record_of
from tidings.core.errors import InvalidInput
from tidings.core.ids import address_user_id
from tidings.core.locales import normalise_locale
from tidings.core.models import (
    DIRECT_MESSAGE,
    REGISTERED_USER,
    USER_CHANNEL,
    Event,
    Lane,
)
from tidings.core.work import Acceptance, Installation, Registration
from tidings.notifications.fields import (
    check_bus_channel,
    check_data,
    check_line,
    check_text,
    check_visible,
)
from tidings.users.addresses import normalise_email
from tidings.users.people import check_name

#: characters the text of a direct message may have
TEXT_LIMIT = 100_000

#: before the keys of registrations: whoever registers is a stranger and must not meet other keys
_REGISTRATIONS = "\x1fregister\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRequest:
    """An event somebody wants to have happened."""

    type: str
    user_id: str
    data: Mapping[str, Any] = field(default_factory=dict)
    #: the caller's own id for it; the same id is never stored twice
    id: str | None = None
    bus_channel: str = USER_CHANNEL
    idempotency_key: str | None = None
    lane: Lane = Lane.NORMAL
    #: what the caller may call it off by, with all others under the same key
    cancel_key: str | None = None

    def check(self) -> None:
        """Raises InvalidInput naming the first field that can't be taken."""
        check_visible(self.type, "type")
        check_line(self.user_id, "user_id")
        check_bus_channel(self.bus_channel)
        if self.id is not None:
            check_visible(self.id, "id")
        if self.cancel_key is not None:
            check_visible(self.cancel_key, "cancel_key")
        check_data(self.data)

    @property
    def content(self) -> Sequence[object]:
        """What a repeat under the same idempotency key must have in common."""
        said = (self.type, self.user_id, self.data, self.id, self.bus_channel)
        return said if self.cancel_key is None else (*said, self.cancel_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Composer:
    """Makes acceptances for one installation."""

    installation: Installation

    def event(self, request: EventRequest, *, event_id: str, now: datetime) -> Acceptance:
        """An event for a user that must exist. Raises InvalidInput."""
        request.check()
        return Acceptance(
            event=Event(
                id=request.id or event_id,
                type=request.type,
                source=self.installation.source,
                time=now,
                user_id=request.user_id,
                data=request.data,
            ),
            bus_channel=request.bus_channel,
            lane=request.lane,
            idempotency=record_of(request.idempotency_key, request.content),
            cancel_key=request.cancel_key,
        )

    def registration(
        self,
        email: str,
        name: str | None,
        locale: str | None,
        *,
        idempotency_key: str | None = None,
        event_id: str,
        now: datetime,
    ) -> Acceptance:
        """The registration of an address, whether its user is known or not. Raises InvalidInput."""
        data = {"email": email, "name": name, "locale": locale}
        given = {key: value for key, value in data.items() if value is not None}
        acceptance = self.heard(
            Event(
                id=event_id,
                type=REGISTERED_USER,
                source=self.installation.source,
                time=now,
                data=given,
            ),
            USER_CHANNEL,
        )
        key = None if idempotency_key is None else f"{_REGISTRATIONS}{idempotency_key}"
        content = (acceptance.event.type, acceptance.event.data)
        return replace(acceptance, idempotency=record_of(key, content))

    def direct(
        self,
        to: str,
        text: str,
        subject: str | None,
        *,
        idempotency_key: str | None = None,
        event_id: str,
        now: datetime,
    ) -> Acceptance:
        """A message to an address, without any workflow of the user's own. Raises InvalidInput."""
        check_text(text, "text", limit=TEXT_LIMIT)
        if subject is not None:
            check_line(subject, "subject")
        address = normalise_email(to, field="to")
        user_id = self._user_id(address)
        event = Event(
            id=event_id,
            type=DIRECT_MESSAGE,
            source=self.installation.source,
            time=now,
            user_id=user_id,
            data={"to": address, "text": text, "subject": subject},
        )
        return Acceptance(
            event=event,
            bus_channel=USER_CHANNEL,
            registration=Registration(user_id=user_id, channel="email", address=address),
            idempotency=record_of(idempotency_key, (event.type, event.data)),
        )

    def heard(self, event: Event, bus_channel: str) -> Acceptance:
        """An event as it came from the bus; one that registers an address makes its user too.

        Raises InvalidInput.
        """
        check_visible(event.type, "type")
        acceptance = Acceptance(event=event, bus_channel=bus_channel)
        if event.type == REGISTERED_USER and "email" in event.data:
            acceptance = self._registering(event, bus_channel)
        check_data(acceptance.event.data)
        return acceptance

    def _registering(self, event: Event, bus_channel: str) -> Acceptance:
        address = normalise_email(_text(event.data, "email") or "")
        user_id = event.user_id or self._user_id(address)
        name, locale = _text(event.data, "name"), _text(event.data, "locale")
        registration = Registration(
            user_id=user_id,
            channel="email",
            address=address,
            name=None if name is None else check_name(name),
            locale=None if locale is None else normalise_locale(locale),
        )
        event = replace(event, user_id=user_id, data={**event.data, "email": address})
        return Acceptance(event=event, bus_channel=bus_channel, registration=registration)

    def _user_id(self, address: str) -> str:
        return address_user_id(self.installation.address_key, address)


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text", field=name)
    return value
