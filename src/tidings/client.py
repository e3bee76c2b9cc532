"""`AsyncClient`: a running Tidings over HTTP; what it has is named as in `NotificationSystem`."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import orjson

from tidings.core.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    TidingsError,
    Unavailable,
)
from tidings.core.models import USER_CHANNEL
from tidings.egress.http import Answer, HttpClient

DEFAULT_URL = "http://localhost:8000"


class AsyncClient:
    """Talks to the API at `url`; raises the same errors as the system in process."""

    def __init__(self, url: str = DEFAULT_URL, *, timeout: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._http = HttpClient(timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def trigger(
        self,
        event_type: str,
        user_id: str,
        data: Mapping[str, Any] | None = None,
        *,
        event_id: str | None = None,
        idempotency_key: str | None = None,
        bus_channel: str = USER_CHANNEL,
    ) -> str:
        """Say that something happened to a user; the event's id."""
        event: dict[str, Any] = {"type": event_type, "user_id": user_id, "channel": bus_channel}
        event["data"] = dict(data or {})
        if event_id is not None:
            event["id"] = event_id
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        return str((await self._call("POST", "/v1/events", event, headers))["event_id"])

    async def register(
        self, email: str, *, name: str | None = None, locale: str | None = None
    ) -> str:
        """Make the user of an address, as `POST /register` does; the event's id."""
        given = {"email": email, "name": name, "locale": locale}
        body = {field: value for field, value in given.items() if value is not None}
        return str((await self._call("POST", "/register", body))["event_id"])

    async def send(self, to: str, text: str, *, subject: str | None = None) -> str:
        """Send an e-mail to an address, without any workflow; the event's id."""
        message = {"to": to, "text": text} | ({"subject": subject} if subject else {})
        return str((await self._call("POST", "/v1/messages", message))["event_id"])

    async def explain(self, event_id: str) -> Mapping[str, Any]:
        """An event with all it led to, and why. Raises NotFound."""
        return await self._call("GET", f"/v1/events/{quote(event_id, safe='')}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        try:
            answer = await self._http.request(
                method,
                self._url + path,
                body=b"" if body is None else _json(body),
                headers={"Content-Type": "application/json", **(headers or {})},
            )
        except Unavailable as error:
            raise Unavailable(f"{error}. Is it running? `tidings up` starts it.") from error
        return _result(answer)


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise InvalidInput(f"this can't be sent as JSON: {error}") from None


def _result(answer: Answer) -> Mapping[str, Any]:
    content = _object(answer.body)
    if answer.status < 400:
        return content
    detail = str(content.get("detail") or f"the server answered {answer.status}")
    raise _error(answer, detail, str(content.get("field", "")))


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return content if isinstance(content, dict) else {}


def _error(answer: Answer, detail: str, field: str) -> TidingsError:
    if answer.status == 404:
        return NotFound(detail, field=field)
    if answer.status == 409:
        return Conflict(detail)
    if answer.status in (413, 422):
        kind = PayloadTooLarge if answer.status == 413 else InvalidInput
        return kind(detail, field=field)
    if answer.status in (429, 503):
        busy = Overloaded if answer.status == 429 else Unavailable
        return busy(detail, retry_after=_seconds(answer.headers.get("retry-after", "")))
    return TidingsError(detail)


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else 1.0
