"""A mail sent to Debian's Postfix, read back from where it was delivered to."""

import asyncio
import email
import email.policy
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.servers.postfix import PrivatePostfix, open_postfix
from tidings.channels.email.smtp import build
from tidings.channels.registry import ProviderPorts
from tidings.core.ids import Ids
from tidings.core.models import Content, Message

pytestmark = pytest.mark.smtp

SECONDS = 20.0
_ids = Ids()


@pytest.fixture(scope="module")
def postfix() -> Iterator[PrivatePostfix]:
    server = open_postfix()
    yield server
    server.close()


async def keep_nothing(message: Message) -> None:
    """No SMTP test looks into an outbox."""


async def delivered(postfix: PrivatePostfix, message: Message) -> EmailMessage:
    """Send it and wait for it in the Maildir."""
    options = {"host": "127.0.0.1", "port": str(postfix.port), "tls": "off"}
    ports = ProviderPorts(
        outbox=keep_nothing, feed=keep_nothing, email_from="Sklep Łódź <news@shop.example>"
    )
    provider = build(options, ports)
    try:
        receipt = await provider.send(message)
    finally:
        await provider.aclose()
    assert receipt.provider_id
    return await _in_maildir(postfix.inbox, message.id)


async def _in_maildir(inbox: Path, message_id: str) -> EmailMessage:
    async with asyncio.timeout(SECONDS):
        while True:
            for file in inbox.glob("*"):
                mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                if message_id in mail["Message-ID"]:
                    return mail
            await asyncio.sleep(0.02)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body(preferencelist=(kind,))
    assert body is not None
    return str(body.get_content())


@pytest.mark.parametrize(
    "name", ["Żółć Gęślą", "山田 太郎", "عمر الخيام", 'Ada "Countess" Lovelace, PhD']
)
async def test_name_subject_and_both_parts_arrive_in_any_script(
    postfix: PrivatePostfix, name: str
) -> None:
    content = Content(
        subject=f"Witaj, {name}! " + "Zażółć gęślą jaźń. " * 5,
        text=f"{name}\r\n.\r\n.kropka na początku\r\n" + "długa linia " * 200,
        html=f"<p>Cześć {name}</p>\r\n.\r\n",
    )
    message = Message(
        id=_ids.new(),
        channel="email",
        address="ada@example.com",
        recipient_name=name,
        content=content,
    )

    mail = await delivered(postfix, message)

    assert mail["To"].addresses[0].display_name == name
    assert mail["To"].addresses[0].addr_spec == "ada@example.com"
    assert mail["From"].addresses[0].display_name == "Sklep Łódź"
    assert mail["From"].addresses[0].addr_spec == "news@shop.example"
    assert mail["Subject"] == content.subject
    assert mail["Message-ID"] == f"<{message.id}@shop.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Delivered-To"] == "ada@example.com"
    assert part(mail, "plain") == content.text
    assert part(mail, "html") == content.html
    assert not mail.defects


async def test_an_address_in_any_script_arrives(postfix: PrivatePostfix) -> None:
    message = Message(
        id=_ids.new(),
        channel="email",
        address="żółć@example.com",
        content=Content(subject="Cześć", text="Witaj"),
    )

    mail = await delivered(postfix, message)

    assert str(mail["To"]) == "żółć@example.com"
    assert part(mail, "plain") == "Witaj"
