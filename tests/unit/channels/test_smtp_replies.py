import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.email.smtp_replies import Stage, error_for, queue_id, without_addresses
from tidings.core.errors import DeliveryError


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


def test_addresses_and_line_breaks_are_left_out() -> None:
    assert without_addresses("5.1.1 <a@example.com>:\nunknown\x00 żółć@example.com") == (
        "5.1.1 <(address)>: unknown (address)"
    )
