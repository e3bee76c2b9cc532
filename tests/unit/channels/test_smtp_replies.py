import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.email.smtp_replies import Stage, error_for, queue_id
from tidings.core.errors import AddressRejected, DeliveryError, PermanentError, TransientError


@given(stage=st.sampled_from(Stage), code=st.integers(-1, 9999), text=st.text())
def test_every_reply_there_could_be_has_a_meaning(stage: Stage, code: int, text: str) -> None:
    error = error_for(stage, code, text)

    assert isinstance(error, DeliveryError)
    assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2.0.0 Ok: queued as 4XyZ1234", "4XyZ1234"),
        ("OK: queued as <abc-1.def>", "abc-1.def"),
        ("2.0.0 fine", None),
        ("", None),
    ],
)
def test_the_servers_own_id_is_found_where_it_tells_one(text: str, expected: str | None) -> None:
    assert queue_id(text) == expected


@pytest.mark.parametrize(
    ("stage", "code", "text", "own"),
    [
        (Stage.RCPT, 450, "4.2.0 greylisted", True),
        (Stage.RCPT, 451, "try again later", True),
        (Stage.RCPT, 451, "4.7.1 greylisted", True),
        (Stage.RCPT, 452, "4.2.2 mailbox full", True),
        (Stage.RCPT, 452, "4.3.1 insufficient system storage", False),
        (Stage.RCPT, 451, "4.4.1 no answer from the next host", False),
        (Stage.RCPT, 421, "4.7.0 too many connections", False),
        (Stage.RCPT, 454, "4.7.1 relay access denied", False),
        (Stage.MAIL, 450, "4.7.1 too fast", False),
        (Stage.MAIL, 535, "5.7.8 login refused", False),
        (Stage.END, 451, "4.3.0 out of memory", False),
    ],
)
def test_trouble_of_one_recipient_says_nothing_of_the_server(
    stage: Stage, code: int, text: str, own: bool
) -> None:
    error = error_for(stage, code, text)

    assert isinstance(error, TransientError)
    assert error.own is own


@pytest.mark.parametrize(
    ("stage", "code", "text"),
    [
        (Stage.MAIL, 550, "5.4.5 daily sending quota exceeded"),
        (Stage.MAIL, 550, "5.7.1 not allowed to send as that sender"),
        (Stage.MAIL, 554, "5.7.1 client host blocked"),
        (Stage.MAIL, 554, "transaction failed"),
        (Stage.MAIL, 552, "5.2.2 the account's storage is used up"),
        (Stage.MAIL, 552, "5.3.1 mail system full"),
        (Stage.MAIL, 501, "5.1.7 bad sender address syntax"),
        (Stage.MAIL, 553, "5.1.8 sender domain not found"),
        (Stage.MAIL, 553, "sorry, that sender is not in my list"),
        (Stage.MAIL, 555, "5.5.4 unsupported option"),
        (Stage.RCPT, 550, "5.1.8 sender address rejected: domain not found"),
        (Stage.RCPT, 550, "5.4.5 daily sending quota exceeded"),
        (Stage.END, 550, "5.4.5 daily sending quota exceeded"),
        (Stage.END, 550, "5.1.8 access denied, bad outbound sender"),
    ],
)
def test_what_is_the_accounts_or_the_senders_fault_costs_no_message_and_no_address(
    stage: Stage, code: int, text: str
) -> None:
    error = error_for(stage, code, text)

    assert isinstance(error, TransientError)
    assert not error.own


@pytest.mark.parametrize(
    ("stage", "code", "text", "kind"),
    [
        (Stage.MAIL, 552, "message size exceeds fixed maximum message size", PermanentError),
        (Stage.MAIL, 552, "5.3.4 too big", PermanentError),
        (Stage.MAIL, 550, "5.2.3 longer than the administrator allows", PermanentError),
        (Stage.MAIL, 554, "5.6.3 conversion required", PermanentError),
        (Stage.MAIL, 550, "5.6.7 non-ASCII addresses not permitted", PermanentError),
        (Stage.RCPT, 550, "5.1.1 no such user", AddressRejected),
        (Stage.RCPT, 553, "5.1.3 bad address", AddressRejected),
        (Stage.END, 554, "5.7.1 spam", PermanentError),
        (Stage.END, 552, "5.3.4 too big", PermanentError),
    ],
)
def test_what_is_this_messages_or_this_addresss_fault_is_not_tried_again(
    stage: Stage, code: int, text: str, kind: type[DeliveryError]
) -> None:
    assert type(error_for(stage, code, text)) is kind


@pytest.mark.parametrize("text", ["5.7.1 client host blocked", "5.1.8 sender domain not found"])
def test_what_is_to_be_mended_is_named(text: str) -> None:
    assert "TIDINGS_EMAIL_FROM" in str(error_for(Stage.MAIL, 554, text))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "relay not permitted"),
        (550, "Relaying denied"),
        (554, "<ada@example.com>: Relay access denied"),
        (553, "sorry, that domain isn't in my list of allowed rcpthosts"),
        (550, "Access denied - your IP 192.0.2.1 is listed at zen.spamhaus.org"),
        (550, "Blocked"),
        (550, "SPF check failed"),
        (550, "authentication required"),
        (550, "Exim 5.1.1: this user may not relay"),
        (550, "5.1.0 Sender denied"),
        (550, "Invalid user or password"),
        (550, "Your account is disabled"),
        (
            550,
            "Verification failed for <news@shop.example>\n"
            "The mail server could not deliver mail to news@shop.example. "
            "The account or domain may not exist, they may be blacklisted\n"
            "Sender verify failed",
        ),
    ],
)
def test_a_relay_that_refuses_us_costs_nobody_their_address(code: int, text: str) -> None:
    error = error_for(Stage.RCPT, code, text)

    assert isinstance(error, TransientError)
    assert "TIDINGS_EMAIL_FROM" in str(error)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)"),
        (550, "no\n[5.7.1] see the list of users that do not exist"),
        (550, "Requested action not taken: mailbox unavailable"),
        (550, "5.2.1 The user you are trying to contact is receiving mail at a rate"),
        (550, "mailbox temporarily disabled"),
        (550, "Recipient verify failed: host not found"),
        (550, "Unknown error for the recipient"),
        (550, "<unknown.user@example.com> no"),
        (551, "User not local; please try <ada@elsewhere.example>"),
        (552, "mailbox full"),
        (550, ""),
    ],
)
def test_what_does_not_say_that_the_address_is_gone_costs_this_message_alone(
    code: int, text: str
) -> None:
    assert type(error_for(Stage.RCPT, code, text)) is PermanentError


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "sorry, no mailbox here by that name. (#5.1.1)"),
        (550, "sorry, no mailbox here by that name."),
        (550, "failed\n550 5.1.1 nobody of that name"),
        (550, "<ada@example.com>: User unknown in relay recipient table"),
        (550, "No Such User Here"),
        (550, "no such local user"),
        (550, "Unrouteable address"),
        (550, "Unknown user"),
        (550, "Invalid recipient"),
        (550, "ada@example.com... User not listed in Domino Directory"),
        (550, "The email account that you tried to reach does not exist."),
        (550, "5.2.1 The email account that you tried to reach is inactive."),
        (550, "mailbox disabled, not accepting messages"),
        (550, "<ada@example.com> does not exist here"),
        (556, "Recipient address does not accept mail (nullMX)"),
    ],
)
def test_an_address_is_dead_where_the_reply_says_that_it_is(code: int, text: str) -> None:
    assert type(error_for(Stage.RCPT, code, text)) is AddressRejected
