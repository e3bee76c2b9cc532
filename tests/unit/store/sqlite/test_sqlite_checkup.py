import fcntl
import os
import sqlite3
from pathlib import Path

import pytest

from tidings.core.checkup import Finding, Level
from tidings.store.sqlite.checkup import SCARCE, TOO_FEW, check_up, disk_finding, mount_finding
from tidings.store.sqlite.file_lock import FileLock, holder_of

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/shop\\040data xfs rw 0 0
//server/share /mnt cifs rw 0 0
"""


def level_of(findings: list[Finding], check: str) -> Level:
    return next(one.level for one in findings if one.check == check)


@pytest.mark.parametrize(
    ("free", "level"),
    [(SCARCE, Level.OK), (SCARCE - 1, Level.WARNING), (TOO_FEW - 1, Level.FAILURE)],
)
def test_a_disk_that_fills_up_is_told(free: int, level: Level) -> None:
    assert disk_finding(free).level is level


@pytest.mark.parametrize(
    ("folder", "level"),
    [
        ("/var/lib/tidings", Level.OK),
        ("/home/ann", Level.FAILURE),
        ("/home/shop data/db", Level.OK),
        ("/mnt", Level.FAILURE),
        ("/mnt2", Level.OK),
    ],
)
def test_a_file_on_the_network_is_told(folder: str, level: Level) -> None:
    assert mount_finding(Path(folder), MOUNTS).level is level


def test_where_mounts_are_not_told_nothing_is_held_against_it() -> None:
    assert mount_finding(Path("/home/ann"), "").level is Level.OK


def test_a_folder_that_is_missing_is_a_failure(tmp_path: Path) -> None:
    [finding] = check_up(tmp_path / "gone" / "tidings.db")

    assert finding.level is Level.FAILURE
    assert str(tmp_path / "gone") in finding.found


def test_looking_at_a_file_that_is_not_there_makes_none(tmp_path: Path) -> None:
    findings = list(check_up(tmp_path / "tidings.db"))

    assert level_of(findings, "database") is Level.OK
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tidings.db"
    path.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere

    assert level_of(list(check_up(path)), "database") is Level.FAILURE


def test_a_file_that_is_no_database_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    path.write_bytes(b"no database at all" * 100)

    assert level_of(list(check_up(path)), "database schema") is Level.FAILURE


def test_looking_leaves_a_database_and_its_folder_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
    connection.close()
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}

    findings = list(check_up(path))

    assert level_of(findings, "database schema") is Level.OK
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_the_process_that_has_a_file_is_a_fact(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    path.touch()
    lock = FileLock(path)

    findings = list(check_up(path))

    assert level_of(findings, "in use") is Level.OK
    assert str(os.getpid()) in next(one.found for one in findings if one.check == "in use")
    lock.release()
    assert holder_of(path) is None


def test_two_who_look_at_once_see_no_holder(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    FileLock(path).release()
    with (tmp_path / "tidings.db.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)

        assert holder_of(path) is None
