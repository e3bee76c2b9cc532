import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tidings.core.logs import configure_logs, get_logger, join_host_logs, mask_address, mask_text


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    structlog.reset_defaults()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("test@example.com", "t***@example.com"),
        ("@example.com", "***@example.com"),
        ("+48600100200", "+48***00"),
        ("short", "***"),
    ],
)
def test_an_address_is_masked(address: str, shown: str) -> None:
    assert mask_address(address) == shown


def test_a_json_line_carries_what_was_bound_and_no_address(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(form="json")

    get_logger("api").info("accepted", email="test@example.com", event_id="e1")

    line = json.loads(capsys.readouterr().err)
    assert line["event"] == "accepted"
    assert line["part"] == "api"
    assert line["email"] == "t***@example.com"
    assert line["event_id"] == "e1"
    assert line["level"] == "info"


def test_the_level_silences_what_is_below_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form="json", level="warning")

    get_logger("api").info("not told")

    assert capsys.readouterr().err == ""


def test_inside_a_program_lines_go_to_its_logging_with_addresses_masked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    join_host_logs()

    with caplog.at_level(logging.INFO):
        get_logger("api").info("accepted", email="test@example.com")

    assert "accepted" in caplog.text
    assert "t***@example.com" in caplog.text
    assert "test@" not in caplog.text


def test_a_program_that_set_up_structlog_keeps_its_way() -> None:
    structlog.configure(processors=[structlog.processors.JSONRenderer()])
    own = structlog.get_config()["processors"]

    join_host_logs()

    assert structlog.get_config()["processors"] == own


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/v1/users/ann@example.com/preferences", "/v1/users/a***@example.com/preferences"),
        ("/v1/users/ann%40example.com", "/v1/users/a***@example.com"),
        ("Key (address)=(ann@example.com) exists", "Key (address)=(a***@example.com) exists"),
        ("nobody here", "nobody here"),
    ],
)
def test_an_address_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_a_traceback_shows_no_address(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(form="json")

    try:
        raise KeyError("ann@example.com")
    except KeyError:
        get_logger("api").exception("it broke")

    shown = capsys.readouterr().err
    assert "KeyError" in shown
    assert "ann@" not in shown


def test_nothing_in_a_console_line_can_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs(form="console")

    get_logger("api").info("request", path="/\x1b[2J\x9b\u202e\x07")

    shown = capsys.readouterr().err
    assert "\\x1b[2J" in shown
    assert not {"\x9b", "\u202e", "\x07"} & set(shown)
