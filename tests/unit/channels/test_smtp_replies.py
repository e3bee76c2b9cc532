import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.email.smtp_replies import Stage, error_for, queue_id
from tidings.core.errors import DeliveryError, TransientError


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
