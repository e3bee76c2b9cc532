"""The scripted provider's HTTP: one JSON message by POST, its id in `Idempotency-Key`."""

import json
import re
from collections.abc import Iterator
from itertools import chain, repeat

from tests.faults.provider_stage import Conversation, bytewise

_LENGTH = re.compile(rb"^content-length:\s*(\d+)", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(rb"^idempotency-key:\s*(\S+)", re.IGNORECASE | re.MULTILINE)
_CHUNK = b"10000\r\n" + b"x" * 65_536 + b"\r\n"


class HttpConversation(Conversation):
    """One connection of an HTTP client, kept for many requests."""

    def greet(self) -> None:
        """The client speaks first."""

    def data_received(self, data: bytes) -> None:
        self._heard += data
        head, found, rest = self._heard.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not found or len(rest) < size:
            return
        self._heard = rest[size:]
        body, key = json.loads(rest[:size]), _KEY.search(head)
        assert key is not None, "a message without an Idempotency-Key"
        assert key[1].decode() == body["id"], "two names for one message"
        self.came(address=body["to"], key=body["id"])

    def taken(self, key: str) -> bytes:
        """With the provider's own id, which is ours."""
        body = json.dumps({"id": key}).encode()
        return _head(200, "content-type: application/json", f"content-length: {len(body)}") + body

    def refused(self, status: int, retry_after: str | None) -> bytes:
        """A problem without words."""
        asked = [] if retry_after is None else [f"retry-after: {retry_after}"]
        return _head(status, "content-length: 0", *asked)

    def endless(self) -> Iterator[bytes]:
        """A body of ever more chunks."""
        return chain([_head(200, "transfer-encoding: chunked")], repeat(_CHUNK))

    def dripping(self) -> Iterator[bytes]:
        """A head that has no end."""
        return bytewise(b"x-more: more\r\n", head=b"HTTP/1.1 200 OK\r\n")


def _head(status: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} scripted", *headers, "", ""]).encode()
