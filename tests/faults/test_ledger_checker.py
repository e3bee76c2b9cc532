from collections import Counter

from tests.faults.registrations import judge
from tests.faults.smtp_sink import Mail

ANA = Mail(address="ana@example.com", message_id="<1@x>")
BEN = Mail(address="ben@example.com", message_id="<2@x>")
PEOPLE = ["ana@example.com", "ben@example.com"]


def test_a_faultless_run_is_found_faultless() -> None:
    verdict = judge(PEOPLE, [ANA, BEN])

    assert not verdict.lost
    assert not verdict.unexpected
    assert not verdict.repeated


def test_a_lost_mail_is_found() -> None:
    assert judge(PEOPLE, [ANA]).lost == {"ben@example.com"}


def test_a_mail_nobody_asked_for_is_found() -> None:
    assert judge(PEOPLE[:1], [ANA, BEN]).unexpected == {"ben@example.com"}


def test_a_repeated_message_is_found() -> None:
    assert judge(PEOPLE, [ANA, BEN, ANA, ANA]).repeated == Counter({"<1@x>": 2})


def test_a_second_welcome_is_found_though_its_id_is_another() -> None:
    again = Mail(address="ana@example.com", message_id="<3@x>")

    assert judge(PEOPLE, [ANA, BEN, again]).repeated == Counter({"<3@x>": 1})
