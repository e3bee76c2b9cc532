"""One call to the API: key, JSON, errors of our tree, and repeats where they do no harm."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from tidings.client.problems import content_of
from tidings.client.retries import PASSING, pause_before
from tidings.core.clock import Clock, SystemClock
from tidings.core.errors import InvalidInput, OutcomeUnknown, Unavailable
from tidings.egress.http import HttpClient

DEFAULT_URL = "http://localhost:8000"

#: bytes of an answer that are read: a bulk of 1,000 refusals has its room
_ANSWER_LIMIT = 16 * 1024 * 1024

Pause = Callable[[float], Awaitable[None]]


class Transport:
    """Speaks HTTP to the API at `url`.

    Repeats a request up to `retries` times where the trouble passes by itself and a repeat does
    no harm.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None,
        timeout: float,
        retries: int,
        clock: Clock | None,
        pause: Pause | None,
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json", **_authorization(api_key)}
        self._http = HttpClient(timeout=timeout, answer_limit=_ANSWER_LIMIT)
        self._retries = retries
        self._clock = clock or SystemClock()
        self._pause = pause or asyncio.sleep

    async def get(self, path: str, **query: str | int | None) -> Any:
        """Read what is there."""
        return await self._call("GET", path + query_of(query))

    async def put(self, path: str, body: Mapping[str, Any], **query: str | int | None) -> Any:
        """Put it there, in place of what was."""
        return await self._call("PUT", path + query_of(query), body=body)

    async def post(
        self,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        harmless: bool = False,
    ) -> Any:
        """Have it done; repeated only under a key, or where twice is as good as once."""
        return await self._call(
            "POST",
            path,
            body=body,
            idempotency_key=idempotency_key,
            harmless=harmless or idempotency_key is not None,
        )

    async def delete(self, path: str, *, harmless: bool = False, **query: str | int | None) -> Any:
        """Take it away; repeated only where twice is as good as once."""
        return await self._call("DELETE", path + query_of(query), harmless=harmless)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def pause(self, seconds: float) -> None:
        """Wait, as the client was told to."""
        await self._pause(seconds)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        harmless: bool = True,
    ) -> Mapping[str, Any]:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        content = b"" if body is None else _json(body)
        waited = 0.0
        for repeat in range(self._retries if harmless else 0):
            try:
                return await self._once(method, path, content, headers)
            except PASSING as error:
                wait = pause_before(repeat, error, waited=waited)
                if wait is None:
                    raise
            await self._pause(wait)
            waited += wait
        return await self._once(method, path, content, headers)

    async def _once(
        self, method: str, path: str, content: bytes, headers: Mapping[str, str]
    ) -> Mapping[str, Any]:
        try:
            answer = await self._http.request(
                method, self.url + path, body=content, headers={**self._headers, **headers}
            )
        except Unavailable as error:
            raise Unavailable(f"{error}. Is it running? `tidings up` starts it.") from error
        if answer.lost:
            raise OutcomeUnknown(f"{method} {self.url} was answered in part only")
        return content_of(answer, now=self._clock.now())


def path_of(*parts: str) -> str:
    """The path of a resource under `/v1`. Raises InvalidInput for what can't stand in one."""
    for part in parts:
        if part in {"", ".", ".."}:
            raise InvalidInput(f'"{part}" can\'t stand in an address of the API')
    return "/v1/" + "/".join(map(_quoted, parts))


def query_of(query: Mapping[str, str | int | None]) -> str:
    """The query with what was given, or nothing."""
    given = [f"{name}={_quoted(str(value))}" for name, value in query.items() if value is not None]
    return f"?{'&'.join(given)}" if given else ""


def _quoted(text: str) -> str:
    try:
        return quote(text, safe="")
    except UnicodeEncodeError:
        raise InvalidInput(f"{text!r} holds half a surrogate pair: send whole characters") from None


def _authorization(api_key: str | None) -> Mapping[str, str]:
    if api_key is None:
        return {}
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise InvalidInput("the API key holds a character no key has: copy it anew, without blanks")
    return {"Authorization": f"Bearer {api_key}"}


def _json(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError as error:
        raise InvalidInput(f"this can't be sent as JSON: {error}") from None
