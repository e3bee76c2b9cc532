"""Outbound HTTP, bounded: total timeout, capped answers, no redirects, no proxies, no inflating."""

import asyncio
import io
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from tidings.core.errors import InvalidInput, OutcomeUnknown, Unavailable
from tidings.egress.head_first import HeadFirstConnector

#: bytes of an answer that are read unless more are asked for; the rest is cut off
ANSWER_LIMIT = 1024 * 1024
#: the share of a call's time that may go by before there is a connection: a call that is broken
#: off then has surely not left us
_CONNECTING = 0.5
#: seconds an unused connection is kept: fewer than servers keep theirs, so that a call seldom
#: meets one that is just being closed, and ends unknown
_KEPT_SECONDS = 4.0
#: bytes of a body that are written at once
_AT_ONCE = 256 * 1024
#: a body that is packed would be one whose size nobody knows before it is unpacked
_UNPACKED = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: status, headers (found in lower case), and the body as far as it was read."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    #: the connection or the time ended before the body did; what was cut off is not lost
    lost: bool = False


class HttpClient:
    """Makes calls over kept connections; `timeout` is the total of one call, in seconds.

    `tls` says whom to trust, where that is not who the system trusts.
    """

    def __init__(
        self,
        *,
        timeout: float = 10.0,
        connections: int = 100,
        answer_limit: int = ANSWER_LIMIT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=timeout * _CONNECTING)
        self._connections = connections
        self._answer_limit = answer_limit
        self._tls = tls
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

        Raises Unavailable when it surely never arrived, OutcomeUnknown when no answer came, or none
        in HTTP; once there is a status it is told, whatever becomes of the body.
        """
        try:
            return await self._request(method, url, body, headers or {})
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise InvalidInput(f"{url} must begin with http:// or https://") from error
        except aiohttp.ConnectionTimeoutError as error:
            raise Unavailable(f"{_where(url)} can't be reached: no connection in time") from error
        except aiohttp.ClientConnectorError as error:
            why = error.strerror or error
            raise Unavailable(f"{_where(url)} can't be reached: {why}") from error
        except ValueError as error:  # after the errors of certificates, which are such too
            raise InvalidInput(f"this can't be sent: {error}") from error
        except TimeoutError as error:
            within = f"within {self._timeout.total:g} s"
            raise OutcomeUnknown(f"{method} {_where(url)} got no answer {within}") from error
        except aiohttp.ClientResponseError as error:
            raise OutcomeUnknown(f"{method} {_where(url)} was answered, but not in HTTP") from error
        except (aiohttp.ClientError, asyncio.IncompleteReadError) as error:
            why = type(error).__name__
            raise OutcomeUnknown(f"{method} {_where(url)} got no answer: {why}") from error

    async def aclose(self) -> None:
        """Close the kept connections."""
        if self._session is not None:
            await self._session.close()

    async def _request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        async with self._opened().request(
            method, url, data=_in_pieces(body), headers=headers, allow_redirects=False
        ) as response:
            content, lost = await _read(response.content, self._answer_limit)
            return Answer(status=response.status, headers=response.headers, body=content, lost=lost)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=HeadFirstConnector(
                    limit=self._connections,
                    keepalive_timeout=_KEPT_SECONDS,
                    ssl=True if self._tls is None else self._tls,
                ),
                timeout=self._timeout,
                headers=_UNPACKED,
                auto_decompress=False,
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
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError("the connection ended") from error


def _in_pieces(body: bytes) -> bytes | io.BytesIO:
    """A large body is written bit by bit, so that it does not hold up the loop."""
    return body if len(body) <= _AT_ONCE else io.BytesIO(body)


async def _read(stream: aiohttp.StreamReader, limit: int) -> tuple[bytes, bool]:
    """The body up to the limit, and whether the rest was lost."""
    content = bytearray()
    try:
        while len(content) < limit and (chunk := await stream.readany()):
            content += chunk
    except (aiohttp.ClientError, TimeoutError):
        return bytes(content), True
    return bytes(content[:limit]), False


def _where(url: str) -> str:
    """Whom it goes to; paths and queries may hold keys and people's addresses."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
