"""A forked program is a process like any other: its own folder, settings, log and end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tidings
from tests.faults.fleet import wait_until
from tests.faults.nursery import IMPORTS, Child, Nursery, nursery
from tests.faults.provider import ScriptedProvider
from tests.servers import lifeline

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forking is for Linux alone")


def start(folder: Path, *command: str, parent: Nursery | None = None, **settings: str) -> Child:
    environment = {**lifeline.ENVIRONMENT, **settings}
    return (parent or nursery()).start(
        command, folder=folder, environment=environment, log="child.log"
    )


def until_gone(*children: Child) -> None:
    """By the kernel's word."""
    wait_until(
        lambda: not any(Path(f"/proc/{child.pid}").exists() for child in children),
        "they are gone",
        str,
    )


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


def test_it_has_the_folder_and_the_settings_it_was_given_and_writes_into_its_own_log(
    tmp_path: Path, running: Child
) -> None:
    place = Path(f"/proc/{running.pid}/cwd")
    wait_until(lambda: place.readlink() == tmp_path, "it is in its folder", str)

    refused = start(tmp_path, "tidings.main", TIDINGS_PORT="none")

    assert refused.wait(timeout=30) == 1
    assert (tmp_path / "child.log").read_text().startswith("tidings: TIDINGS_PORT is wrong")


def test_who_ended_by_themselves_are_sent_no_signal_whoever_is_asked_first(tmp_path: Path) -> None:
    ending = [start(tmp_path, "tidings.main", TIDINGS_PORT="none") for _ in range(2)]
    until_gone(*ending)

    for child in reversed(ending):
        child.send_signal(signal.SIGKILL)

    assert [child.poll() for child in ending] == [1, 1]


def test_it_has_no_part_in_another_ones_end(tmp_path: Path, running: Child) -> None:
    assert start(tmp_path, "tidings.channel_worker", TIDINGS_LOG_LEVEL="loud").wait(30) == 1

    assert running.poll() is None


def test_a_nursery_that_dies_takes_all_with_it(tmp_path: Path) -> None:
    dying = Nursery(lifeline.private_folder())
    child = start(tmp_path, *ScriptedProvider(tmp_path / "provider").command, parent=dying)

    dying.kill()

    until_gone(child)


def test_the_programs_are_those_of_the_package_that_is_tested() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import tidings; print(tidings.__file__)"],
        env={**lifeline.ENVIRONMENT, "PYTHONPATH": IMPORTS},
        capture_output=True,
        check=True,
        text=True,
    )

    assert told.stdout.strip() == tidings.__file__
