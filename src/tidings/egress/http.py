"""Outbound HTTP, bounded: total timeout, capped answers, no redirects, no proxies."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import aiohttp

from tidings.core.errors import InvalidInput, OutcomeUnknown, Unavailable

#: bytes of an answer that are read unless more are asked for; the rest is cut off
ANSWER_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: status, headers in lower case, and the body as far as it was read."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpClient:
    """Makes calls over kept connections; `timeout` is the total of one call, in seconds."""

    def __init__(
        self, *, timeout: float = 10.0, connections: int = 100, answer_limit: int = ANSWER_LIMIT
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._connections = connections
        self._answer_limit = answer_limit
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def request(
        self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One call.

        Raises Unavailable when it surely never arrived, OutcomeUnknown when no answer came.
        """
        try:
            return await self._request(method, url, body, headers or {})
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise InvalidInput(f"{url} must begin with http:// or https://") from error
        except ValueError as error:
            raise InvalidInput(f"this can't be sent: {error}") from error
        except aiohttp.ClientConnectorError as error:
            raise Unavailable(f"{url} can't be reached: {error.strerror or error}") from error
        except (aiohttp.ClientError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise OutcomeUnknown(f"{method} {url} got no answer: {type(error).__name__}") from error

    async def aclose(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()

    async def _request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        async with self._opened().request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as response:
            content = await _read(response.content, self._answer_limit)
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(status=response.status, headers=names, body=content)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections),
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                middlewares=[_send_once],
                trust_env=False,
            )
        return self._session


async def _send_once(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Leave repeats to the caller: by itself aiohttp sends a GET, PUT or DELETE again."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("the connection ended") from error


async def _read(stream: aiohttp.StreamReader, limit: int) -> bytes:
    content = bytearray()
    async for chunk in stream.iter_any():
        content += chunk
        if len(content) >= limit:
            break
    return bytes(content[:limit])
