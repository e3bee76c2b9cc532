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
