"""The Template Service on real databases: loading, versions, rendering, the built-in ones."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from tidings.core.clock import SystemClock
from tidings.core.errors import ConfigurationError, TemplateError
from tidings.core.models import Content
from tidings.core.ports import Store
from tidings.store import definitions
from tidings.store.schema import templates
from tidings.store.sqlite import SqliteStore
from tidings.templates.service import CACHE_LIMIT, TemplateService

Result = TypeVar("Result")


@pytest.fixture
def service(store: Store) -> TemplateService:
    return TemplateService(store, SystemClock())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "order/sms.txt", "Order {{ data.order }} is on its way")
    return tmp_path


def write(folder: Path, name: str, source: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(source, encoding="utf-8")


async def pinned(service: TemplateService, key: str, channel: str, locale: str = "") -> str:
    found = (await service.catalog()).resolve(key, channel, locale)
    assert found is not None
    return found.version


async def rows(store: Store) -> list[tuple[str, str]]:
    query = sa.select(templates.c.key, templates.c.status).where(templates.c.key == "order")
    found = await store.run(lambda connection: connection.execute(query).all())
    return sorted((row.key, row.status) for row in found)


def context(name: str | None = None, **data: Any) -> Mapping[str, Any]:
    user = {"id": "ann", "name": name, "locale": None}
    return {"user": user, "event": {"id": "e", "type": "T", "time": "now"}, "data": data}


async def test_a_loaded_template_is_found_and_rendered(
    service: TemplateService, folder: Path
) -> None:
    await service.load(folder)

    version = await pinned(service, "order", "sms", "de-AT")

    assert await service.render(version, context(order=7)) == Content(text="Order 7 is on its way")


async def test_loading_the_same_folder_again_changes_nothing(
    service: TemplateService, store: Store, folder: Path
) -> None:
    await service.load(folder)
    stamp = await store.run(definitions.read)
    catalog = list(await service.catalog())

    await service.load(folder)

    assert await store.run(definitions.read) == stamp
    assert list(await service.catalog()) == catalog


async def test_a_changed_file_is_a_new_version_and_raises_the_stamp(
    service: TemplateService, store: Store, folder: Path
) -> None:
    await service.load(folder)
    stamp, old = await store.run(definitions.read), await pinned(service, "order", "sms")

    write(folder, "order/sms.txt", "New words")
    await service.load(folder)

    assert await pinned(service, "order", "sms") != old
    assert await store.run(definitions.read) == stamp + 1
    assert await rows(store) == [("order", "archived"), ("order", "published")]


async def test_a_pinned_version_says_the_same_for_ever(
    service: TemplateService, store: Store, folder: Path
) -> None:
    await service.load(folder)
    old = await pinned(service, "order", "sms")
    write(folder, "order/sms.txt", "New words")

    await service.load(folder)

    other_process = TemplateService(store, SystemClock())
    content = await other_process.render(old, context(order=7))
    assert content.text == "Order 7 is on its way"


async def test_words_that_come_back_are_the_version_of_before(
    service: TemplateService, store: Store, folder: Path
) -> None:
    await service.load(folder)
    old = await pinned(service, "order", "sms")
    await service.load()

    assert (await service.catalog()).resolve("order", "sms", "") is None

    await service.load(folder)
    assert await pinned(service, "order", "sms") == old
    assert await rows(store) == [("order", "published")]


async def test_processes_that_start_at_once_publish_once(store: Store, folder: Path) -> None:
    services = [TemplateService(store, SystemClock()) for _ in range(8)]
    stamp = await store.run(definitions.read)

    await asyncio.gather(*(service.load(folder) for service in services))

    assert await store.run(definitions.read) == stamp + 1
    assert await rows(store) == [("order", "published")]


async def test_an_own_template_replaces_the_built_in_one_of_its_locale_as_a_whole(
    service: TemplateService, folder: Path
) -> None:
    write(folder, "welcome/email.txt", "Hello")
    write(folder, "welcome/email.subject.txt", "Hello!")

    await service.load(folder)

    own = await service.render(await pinned(service, "welcome", "email"), context())
    german = await service.render(await pinned(service, "welcome", "email", "de"), context())
    assert own == Content(text="Hello", subject="Hello!", html=None)
    assert german.subject == "Willkommen!"


async def test_a_later_folder_goes_over_an_earlier_one(
    service: TemplateService, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    later = tmp_path_factory.mktemp("later")
    write(later, "order/sms.txt", "Later")

    await service.load(folder, later)

    version = await pinned(service, "order", "sms")
    assert (await service.render(version, context())).text == "Later"


async def test_a_template_that_can_not_be_parsed_stops_the_start(
    service: TemplateService, folder: Path
) -> None:
    await service.load(folder)
    before = list(await service.catalog())
    write(folder, "order/sms.de.txt", "first\n{{ data.order }")

    with pytest.raises(ConfigurationError) as error:
        await service.load(folder)

    assert str(error.value).startswith(f"{folder}/order/sms.de.txt, line 2: unexpected `}}`")
    assert list(await service.catalog()) == before


async def test_a_version_that_is_not_stored_is_a_template_error(service: TemplateService) -> None:
    with pytest.raises(TemplateError, match="isn't stored"):
        await service.render("0" * 32, context())


class CountingStore(SqliteStore):
    """Counts its transactions."""

    transactions = 0

    async def run(self, work: Callable[[sa.Connection], Result]) -> Result:
        self.transactions += 1
        return await super().run(work)


@pytest.fixture
async def counting() -> AsyncIterator[CountingStore]:
    opened = await CountingStore.open(None, clock=SystemClock())
    assert isinstance(opened, CountingStore)
    yield opened
    await opened.aclose()


async def test_a_version_is_read_once_however_many_render_it(
    counting: CountingStore, folder: Path
) -> None:
    service = TemplateService(counting, SystemClock())
    await service.load(folder)
    version = await pinned(service, "order", "sms")
    before = counting.transactions

    contents = await asyncio.gather(
        *(service.render(version, context(order=number)) for number in range(20))
    )

    assert [content.text for content in contents][7] == "Order 7 is on its way"
    assert counting.transactions == before + 1


async def test_the_versions_used_last_are_kept_and_no_more(
    counting: CountingStore, tmp_path: Path
) -> None:
    for number in range(CACHE_LIMIT + 1):
        write(tmp_path, f"order-{number}/sms.txt", str(number))
    service = TemplateService(counting, SystemClock())
    await service.load(tmp_path)
    versions = [entry.version for entry in await service.catalog() if entry.channel == "sms"]

    async def reads(version: str) -> int:
        before = counting.transactions
        await service.render(version, context())
        return counting.transactions - before

    oldest, second, *others = versions
    assert [await reads(version) for version in versions[:-1]] == [1] * CACHE_LIMIT
    assert await reads(oldest) == 0
    assert await reads(others[-1]) == 1
    assert [await reads(oldest), await reads(second)] == [0, 1]
