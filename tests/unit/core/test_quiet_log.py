import structlog

from tidings.core.quiet_log import QuietLog


def test_a_message_is_told_once_until_its_time_is_over() -> None:
    quiet_log = QuietLog("part", seconds=0.0)
    patient = QuietLog("part", seconds=60.0)

    with structlog.testing.capture_logs() as lines:
        for number in range(3):
            quiet_log.warning("again", number=number)
            patient.warning("once", number=number)

    assert [line["number"] for line in lines if line["event"] == "again"] == [0, 1, 2]
    assert [line["number"] for line in lines if line["event"] == "once"] == [0]


def test_one_message_silences_no_other() -> None:
    quiet_log = QuietLog("part", seconds=60.0)

    with structlog.testing.capture_logs() as lines:
        quiet_log.warning("the bus is away")
        quiet_log.warning("entries are gone")

    assert [line["event"] for line in lines] == ["the bus is away", "entries are gone"]


def test_what_was_left_out_is_counted_in_the_next_line() -> None:
    quiet_log = QuietLog("part", seconds=0.05)

    with structlog.testing.capture_logs() as lines:
        while len(lines) < 2:
            quiet_log.warning("away")

    assert "left_out" not in lines[0]
    assert lines[1]["left_out"] > 0


def test_a_fault_is_told_by_its_type_and_stack_and_not_by_its_words() -> None:
    quiet_log = QuietLog("part")

    with structlog.testing.capture_logs() as lines:
        try:
            raise KeyError("a@example.com".upper())
        except KeyError as error:
            quiet_log.error("it broke", error, delivery_id="d1")

    (line,) = lines
    assert (line["log_level"], line["error"], line["delivery_id"]) == ("error", "KeyError", "d1")
    assert "test_a_fault_is_told" in line["stack"]
    assert "EXAMPLE" not in line["stack"]
