"""The scripted provider's SMTP (RFC 5321): just enough for a client that pipelines nothing.

It is lean, so that on a small machine the system under test is what is measured.
"""

import re
from collections.abc import Iterator
from itertools import repeat

from tests.faults.provider_stage import Conversation, Stage, bytewise


class SmtpConversation(Conversation):
    """One connection of a mail client."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._address = ""
        self._in_data = False

    def greet(self) -> None:
        """The banner."""
        self.say(b"220 provider ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = b"\r\n.\r\n" if self._in_data else b"\r\n"
        if not self._heard.endswith(end):
            return
        heard, self._heard = self._heard, b""
        if self._in_data:
            self._in_data = False
            self.came(address=self._address, key=_key(heard))
            return
        self.say(self._reply(heard))
        if heard[:4].upper() == b"QUIT":
            self._transport.close()

    def taken(self, key: str) -> bytes:
        """With the queue's own name for it."""
        return f"250 2.0.0 Ok: queued as {key}\r\n".encode()

    def refused(self, status: int, retry_after: str | None) -> bytes:
        """SMTP has no word for when to come again."""
        return f"{status} refused by the script\r\n".encode()

    def endless(self) -> Iterator[bytes]:
        """A reply of ever more lines."""
        return repeat(b"250-more\r\n" * 1_000)

    def dripping(self) -> Iterator[bytes]:
        """The same, byte by byte."""
        return bytewise(b"250-more\r\n")

    def _reply(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._address = line.decode().partition("<")[2].partition(">")[0]
        self._in_data = verb == b"DATA"
        return _REPLIES.get(verb, b"250 OK\r\n")


def _key(mail: bytes) -> str:
    """The delivery's id, which the Message-ID begins with."""
    found = _MESSAGE_ID.search(mail)
    assert found is not None, "a mail without a Message-ID"
    return found[1].decode().lower()


_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^@>]+)", re.IGNORECASE | re.MULTILINE)
_REPLIES = {
    b"EHLO": b"250-provider\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 bye\r\n",
}
