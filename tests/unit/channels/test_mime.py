"""The law of mails: what goes in comes out of the standard library's parser, and nothing else."""

import email
import email.policy
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidings.channels.email.addresses import Mailbox, recipient
from tidings.channels.email.mime import build_mail
from tidings.core.errors import AddressRejected, PermanentError
from tidings.core.models import Content, Message

SENDER = Mailbox(address="news@shop.example", name="Shop")
DATE = datetime(2026, 11, 23, 5, 43, 33, tzinfo=UTC)
ID = "01936f0e-7d5c-7000-8000-000000000001"

lines = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=["\u2028", "\u2029"]),
    max_size=255,
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=3000)


def mail(
    *,
    name: str | None = None,
    subject: str | None = "Hello",
    text: str = "Hi",
    html: str | None = None,
    address: str = "ada@example.com",
    sender: Mailbox = SENDER,
    message_id: str = ID,
) -> bytes:
    message = Message(
        id=message_id,
        channel="email",
        address=address,
        content=Content(text=text, subject=subject, html=html),
    )
    return build_mail(message, sender=sender, to=recipient(address, name), date=DATE)


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content())


def display_name(raw: bytes) -> str:
    """The name in To, read by the standard library's older parser."""
    header = email.message_from_bytes(raw, policy=email.policy.compat32)["To"]
    name, _ = parseaddr(header)
    return str(make_header(decode_header(name)))


def canonical(text: str) -> str:
    return re.sub(r"\r\n|\r|\n", "\r\n", text)


@given(name=lines, subject=lines, text=texts, html=st.none() | texts)
@example(name="山田 太郎", subject="Żółć", text="عمر", html="<b>Zażółć</b>")
@example(name='"; Bcc: x@y.example', subject="=?utf-8?q?x?=", text=".", html="..\r\n.")
@example(name="=?utf-8?q?a=0D=0AX: y?=", subject="Subject: Subject:", text="", html="")
@example(name="a, b <c@d.example>", subject=" leading and trailing ", text="\n", html=None)
def test_every_mail_reads_back_as_it_was_meant(
    name: str, subject: str, text: str, html: str | None
) -> None:
    raw = mail(name=name, subject=subject, text=text, html=html)

    read = parsed(raw)

    assert subject == read["Subject"]
    assert canonical(text) == body(read, "plain")
    if html is not None:
        assert canonical(html) == body(read, "html")
    assert not read.defects


@given(name=lines)
@example(name="山田太郎" * 20)
@example(name="a  b")
@example(name="Ż" + " " * 30 + "Ż")
def test_every_name_reads_back_as_it_was_meant(name: str) -> None:
    raw = mail(name=name)

    to = parsed(raw)["To"]
    assert [address.addr_spec for address in to.addresses] == ["ada@example.com"]
    # policy.default puts a space between encoded words of a name, against RFC 2047 6.2
    assert name.replace(" ", "") == to.addresses[0].display_name.replace(" ", "")
    assert name == display_name(raw)


@given(name=lines, subject=lines, text=texts, html=st.none() | texts)
@example(name='"' * 60, subject="ż" * 200, text="x" * 5000, html=None)
@example(name="ż" * 200, subject="word " * 40 + "end", text="", html="<p>")
def test_a_mail_has_our_headers_and_no_other_and_its_lines_are_short(
    name: str, subject: str, text: str, html: str | None
) -> None:
    raw = mail(name=name, subject=subject, text=text, html=html)

    head, _, _ = raw.partition(b"\r\n\r\n")
    names = re.findall(rb"(?m)^([^\s:]+):", head)
    expected = [b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version"]
    transfer = [] if html is not None else [b"Content-Transfer-Encoding"]
    assert [*expected, b"Auto-Submitted", b"Content-Type", *transfer] == names
    assert all(len(line) <= 76 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert b"\r" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("bad", ["\r", "\n", "\x00", "\x1f", "\x7f", "\x85", "\u2028", "\ud800"])
@pytest.mark.parametrize("place", ["name", "subject"])
def test_a_line_break_or_control_character_in_a_header_is_refused(place: str, bad: str) -> None:
    with pytest.raises(PermanentError, match="line break or control character"):
        mail(**{place: f"Ada{bad}Bcc: victim@example.com"})  # type: ignore[arg-type]  # one of two


@pytest.mark.parametrize(
    "address",
    [
        "ada@example.com\r\nBcc: eve@example.com",
        "ada@example.com>, <eve@example.com",
        "ada@example.com SMTPUTF8",
        "ada@@example.com",
        "ada",
        "@example.com",
        "ada@",
        "",
        '"a b"@example.com',
        "ada\u2028@example.com",
        "Ada <ada@example.com>",
        "a" * 65 + "@example.com",
    ],
)
def test_what_is_no_bare_address_is_refused(address: str) -> None:
    with pytest.raises(AddressRejected):
        recipient(address)


def test_the_message_id_is_the_same_on_every_attempt() -> None:
    first = parsed(mail())
    later = parsed(mail())

    assert f"<{ID}@shop.example>" == first["Message-ID"] == later["Message-ID"]


def test_the_fixed_headers_say_when_and_that_a_program_wrote_it() -> None:
    read = parsed(mail(html="<p>Hi</p>"))

    assert read["Date"].datetime == DATE
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["MIME-Version"] == "1.0"
    assert read["From"] == "Shop <news@shop.example>"
    assert read.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]


def test_plain_english_stays_readable_on_the_wire() -> None:
    subject = "Your order 1234 has left our warehouse and will be with you in a day or two, we hope"

    raw = mail(name="Ada Lovelace", subject=subject)

    assert b"To: Ada Lovelace <ada@example.com>\r\n" in raw
    assert b"Subject: Your order 1234 has left" in raw
    assert b"\r\n day or two" in raw or b"\r\n " in raw
    assert subject == parsed(raw)["Subject"]


def test_a_domain_in_any_script_goes_out_in_ascii() -> None:
    raw = mail(address="jan@żółć.pl")

    assert b"<jan@" not in raw
    assert b"To: jan@xn--kda4b0koi.pl\r\n" in raw


def test_an_address_in_any_script_stands_in_the_header_as_it_is() -> None:
    raw = mail(address="żółć@example.com", name="Żółć")

    read = email.message_from_string(raw.decode(), policy=email.policy.default)
    assert read["To"].addresses[0].addr_spec == "żółć@example.com"


def test_an_id_that_could_break_the_header_is_refused() -> None:
    with pytest.raises(PermanentError, match="Message-ID"):
        mail(message_id="a>\r\nBcc: x@y.example")
