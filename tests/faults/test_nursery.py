"""A forked program is a process like any other: its own folder, settings, log and end."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.nursery import Child, nursery
from tests.faults.provider import ScriptedProvider
from tests.servers import lifeline


def start(folder: Path, *command: str, **settings: str) -> Child:
    environment = {**lifeline.ENVIRONMENT, **settings}
    return nursery().start(command, folder=folder, environment=environment, log="child.log")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Child]:
    child = start(tmp_path, *ScriptedProvider(tmp_path / "provider").command)
    yield child
    child.send_signal(signal.SIGKILL)
    child.wait()


def test_it_runs_until_it_is_killed_and_its_end_is_known_for_ever(running: Child) -> None:
    with pytest.raises(TimeoutError):
        running.wait(timeout=0.1)
    assert running.poll() is None

    running.send_signal(signal.SIGKILL)

    assert running.wait() == -signal.SIGKILL
    assert running.poll() == -signal.SIGKILL
    running.send_signal(signal.SIGKILL)


def test_it_has_the_settings_it_was_given_and_writes_into_its_own_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDINGS_POLL_SECONDS", "ours, not its own")

    refused = start(tmp_path, "tidings.main", TIDINGS_PORT="none")

    assert refused.wait(timeout=30) == 1
    assert (tmp_path / "child.log").read_text().startswith("tidings: TIDINGS_PORT is wrong")


def test_who_ended_by_themselves_are_sent_no_signal_whoever_is_asked_first(tmp_path: Path) -> None:
    ending = [start(tmp_path, "tidings.main", TIDINGS_PORT="none") for _ in range(2)]
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{child.pid}").exists() for child in ending):
        assert time.monotonic() < deadline, "they did not end"
        time.sleep(0.01)

    for child in reversed(ending):
        child.send_signal(signal.SIGKILL)

    assert [child.poll() for child in ending] == [1, 1]


def test_it_has_no_part_in_another_ones_end(tmp_path: Path, running: Child) -> None:
    assert start(tmp_path, "tidings.channel_worker", TIDINGS_LOG_LEVEL="loud").wait(30) == 1

    assert running.poll() is None
