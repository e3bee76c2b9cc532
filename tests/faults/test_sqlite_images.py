"""The one process on SQLite while many write: images of its files at any moment, and kills."""

import asyncio
import json
import random
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import crew
from tests.faults.checker import judge
from tests.faults.ends import opened, read_ends
from tests.faults.extent import extent
from tests.faults.fleet import Fleet
from tests.faults.registrations import registering

#: registrations a second, images taken, and kills among them
PACE, IMAGES, KILLS, SEED = extent(60.0, 200.0), extent(5, 50), extent(1, 5), 20

pytestmark = [
    pytest.mark.slow,
    pytest.mark.full,
    pytest.mark.fault("F20"),
    pytest.mark.timeout(extent(120, 600)),
]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path, {"TIDINGS_DATABASE_URL": "sqlite:///tidings.db", **crew.PACE}) as fleet:
        fleet.start_api("tidings.notification_system")
        yield fleet


async def test_every_image_is_whole_and_holds_all_that_was_accepted(
    fleet: Fleet, tell: list[str]
) -> None:
    chance, missing, torn = random.Random(SEED), 0, 0
    async with registering(fleet.url, pace=PACE) as asked:
        for number in range(IMAGES):
            await asyncio.sleep(chance.uniform(0.2, 0.6))
            accepted = set(asked)
            image = await asyncio.to_thread(take_image, fleet, number)
            found, whole = await asyncio.to_thread(read_image, image)
            missing, torn = missing + len(accepted - found), torn + (not whole)
            if number % (IMAGES // KILLS) == 0:
                await asyncio.to_thread(fleet.kill, "api")
                await asyncio.to_thread(fleet.start_api, "tidings.notification_system")
    await fleet.until_sent(len(asked))
    await asyncio.to_thread(fleet.terminate, "api")

    async with opened(fleet.folder / "tidings.db") as store:
        verdict = judge(asked, fleet.provider.taken, await read_ends(store))
    tell.append(
        f"F20 SQLite at {PACE:g}/s, {IMAGES} images and {KILLS} kills, seed {SEED}: {torn} torn, "
        f"{missing} accepted and not there; {len(asked)} accepted, {verdict}"
    )
    assert torn == missing == 0
    assert not verdict.broken
    assert not verdict.unsent
    assert "locked" not in fleet.log()


def take_image(fleet: Fleet, number: int) -> Path:
    """Copy its files while it stands still in the middle of whatever it does."""
    image = fleet.folder / f"image-{number}"
    image.mkdir()
    fleet.freeze("api")
    for file in fleet.folder.glob("tidings.db*"):
        shutil.copy(file, image / file.name)
    fleet.thaw("api")
    return image / "tidings.db"


def read_image(image: Path) -> tuple[set[str], bool]:
    """The addresses whose registration it holds, and whether it is whole."""
    connection = sqlite3.connect(image)
    try:
        whole = connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT data FROM events").fetchall()
        return {json.loads(data)["email"] for (data,) in rows}, whole
    finally:
        connection.close()
        shutil.rmtree(image.parent)
