"""One process for one file, and a sentence for the second."""

import os
import stat
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path

import pytest

from tidings.core.clock import SystemClock
from tidings.core.errors import ConfigurationError
from tidings.store.sqlite import SqliteStore
from tidings.store.sqlite.file_lock import FileLock

HOLDER = """
import sys, time
from pathlib import Path
from tidings.store.sqlite.file_lock import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


async def open_store(path: Path) -> SqliteStore:
    return await SqliteStore.open(path, clock=SystemClock())


async def test_a_second_opening_is_refused_with_a_sentence_that_says_what_to_do(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tidings.db"
    first = await open_store(path)

    with pytest.raises(ConfigurationError) as caught:
        await open_store(path)

    assert str(caught.value) == (
        f"{path} is in use by process {os.getpid()}, and SQLite serves one process at a time: "
        "stop that one, or set TIDINGS_DATABASE_URL to PostgreSQL and TIDINGS_REDIS_URL to run "
        "several"
    )
    await first.aclose()
    await (await open_store(path)).aclose()


async def test_another_process_is_named_and_its_death_frees_the_file(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    holder = await create_subprocess_exec(sys.executable, "-c", HOLDER, str(path), stdout=PIPE)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"held\n"

    with pytest.raises(ConfigurationError, match=f"process {holder.pid}"):
        FileLock(path)
    holder.kill()
    await holder.wait()

    FileLock(path).release()


async def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make its folder"):
        await open_store(tmp_path / "typo" / "tidings.db")

    assert not (tmp_path / "typo").exists()


async def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "tidings.db")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    await store.aclose()

    assert modes == {0o600}


async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="TIDINGS_DATABASE_URL"):
        await open_store(tmp_path / "file" / "tidings.db")


async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "tidings.db"
    path.write_text("Dear diary, this is not a database.\n" * 100)
    before = path.read_bytes()

    with pytest.raises(ConfigurationError, match=str(path)):
        await open_store(path)

    assert path.read_bytes() == before
    FileLock(path).release()
