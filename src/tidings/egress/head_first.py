"""Answers whose head is read before their body is judged."""

import re
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

_END = b"\r\n\r\n"
#: bytes of a head that tell whether it is an answer or only news of one
_STATUS_LINE = 12
_NEWS = re.compile(rb"HTTP/\d\.\d 1")


class HeadFirst(ResponseHandler):
    """Hands the parser each head by itself.

    aiohttp's parser drops a head where the bytes that came with it are no good body, and with it
    the status and what it asked for.
    """

    _in_head = False
    _seen = b""
    _begins = b""

    def set_response_params(self, **params: Any) -> None:
        """Before each answer: its head is still to come."""
        self._expect_head()
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Give on what came, cut where a head ends; nothing after a head that is none."""
        while self._in_head and self._parser is not None and (end := self._end_of_head(data)):
            super().data_received(data[:end])
            data = data[end:]
            if not data or self.exception() is not None:
                return
        super().data_received(data)
        self._end_bad_body()

    def _end_bad_body(self) -> None:
        """At once: aiohttp leaves whoever reads it waiting until the time is over."""
        error, body = self.exception(), self._payload
        if error is not None and body is not None and not body.is_eof():
            body.set_exception(aiohttp.ClientPayloadError("the body is not what its head says"))

    def _expect_head(self) -> None:
        self._in_head, self._seen, self._begins = True, b"", b""

    def _end_of_head(self, data: bytes) -> int:
        """Where the head ends in the data, 0 if it does not: its end may have begun before."""
        self._begins = (self._begins + data[:_STATUS_LINE])[:_STATUS_LINE]
        known = self._seen + data
        at = known.find(_END)
        if at < 0:
            self._seen = known[1 - len(_END) :]
            return 0
        end = at + len(_END) - len(self._seen)
        self._end_head()
        return end

    def _end_head(self) -> None:
        if _NEWS.match(self._begins):
            self._expect_head()
        else:
            self._in_head = False


class HeadFirstConnector(aiohttp.TCPConnector):
    """Makes connections that read so; where aiohttp can't be told any more, a test fails."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        protocol: type[ResponseHandler] = HeadFirst
        self._factory = partial(protocol, loop=self._loop)
