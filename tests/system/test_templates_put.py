"""Templates that are put, beside those of folders, on both databases."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tidings.core.clock import SystemClock
from tidings.core.errors import Conflict, InvalidInput, NotFound
from tidings.core.models import Content
from tidings.core.ports import Store
from tidings.store import definitions
from tidings.store.schema import templates
from tidings.templates.service import TemplateService
from tidings.templates.template import Template


@pytest.fixture
def needing() -> list[str]:
    """The workflows that can't do without a template; a test adds to them."""
    return []


@pytest.fixture
def service(store: Store, needing: list[str]) -> TemplateService:
    def needed_by(_connection: sa.Connection, _key: str, _channel: str) -> Sequence[str]:
        return needing

    return TemplateService(store, SystemClock(), needed_by=needed_by)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one template: the SMS `order`."""
    (tmp_path / "order").mkdir()
    (tmp_path / "order" / "sms.txt").write_text("from the folder")
    return tmp_path


async def text(service: TemplateService, key: str = "order", locale: str | None = None) -> str:
    return (await service.get(key, "sms", locale=locale)).parts["text"]


async def stored(store: Store) -> int:
    query = sa.select(sa.func.count()).select_from(templates)
    return await store.run(lambda connection: connection.scalar(query) or 0)


async def test_what_is_put_is_found_and_rendered_at_once(service: TemplateService) -> None:
    put = await service.put("order", "email", text="Hi {{ user.id }}", subject="S", locale="pt_br")

    assert put == await service.get("order", "email", locale="pt-BR")
    assert put == Template(
        key="order",
        channel="email",
        locale="pt-BR",
        parts={"text": "Hi {{ user.id }}", "subject": "S"},
    )
    content = await service.render(put.version, {"user": {"id": "ann"}, "event": {}, "data": {}})
    assert content == Content(text="Hi ann", subject="S")


async def test_a_put_is_a_new_version_and_the_old_one_says_the_same_for_ever(
    service: TemplateService, store: Store
) -> None:
    old = await service.put("order", "sms", text="old words")
    stamp = await store.run(definitions.read)

    await service.put("order", "sms", text="new words")

    assert await text(service) == "new words"
    assert (await service.render(old.version, {})).text == "old words"
    assert await store.run(definitions.read) == stamp + 1


async def test_putting_the_same_words_again_changes_nothing(
    service: TemplateService, store: Store
) -> None:
    first = await service.put("order", "sms", text="a\nb")
    stamp = await store.run(definitions.read)

    again = await service.put("order", "sms", text="\ufeffa\r\nb")

    assert again == first
    assert await store.run(definitions.read) == stamp


async def test_what_was_put_outlives_a_start(service: TemplateService, folder: Path) -> None:
    await service.put("review", "sms", text="put")
    await service.put("welcome", "email", text="put", subject="put")

    await service.load(folder)
    await service.load()

    assert await text(service, "review") == "put"
    assert (await service.get("welcome", "email")).parts == {"text": "put", "subject": "put"}
    assert "Willkommen" in (await service.get("welcome", "email", locale="de")).parts["subject"]


async def test_a_put_replaces_what_a_folder_has_until_the_next_start(
    service: TemplateService, folder: Path
) -> None:
    await service.load(folder)
    await service.put("order", "sms", text="put")
    assert await text(service) == "put"

    await service.load(folder)

    assert await text(service) == "from the folder"


async def test_a_folder_that_had_the_last_word_takes_it_along(
    service: TemplateService, folder: Path
) -> None:
    await service.put("order", "sms", text="from the folder")
    await service.load(folder)

    await service.load()

    with pytest.raises(NotFound):
        await service.get("order", "sms")


async def test_only_the_locale_asked_for_is_given(service: TemplateService) -> None:
    await service.put("order", "sms", text="everybody")

    with pytest.raises(NotFound, match="there is no template order/sms/de"):
        await service.get("order", "sms", locale="de")


async def test_pages_follow_one_another_in_the_order_of_names(service: TemplateService) -> None:
    for key, channel, locale in [("b", "sms", None), ("a", "sms", "de"), ("a", "sms", None)]:
        await service.put(key, channel, text="T", locale=locale)
    await service.put("a", "chat", text="T")

    first = await service.list(limit=3)
    second = await service.list(limit=3, after=("a", "sms", "de"))

    assert [(one.key, one.channel, one.locale) for one in first] == [
        ("a", "chat", ""),
        ("a", "sms", ""),
        ("a", "sms", "de"),
    ]
    assert [(one.key, one.channel, one.locale) for one in second] == [("b", "sms", "")]


async def test_many_puts_at_once_leave_one_published(
    service: TemplateService, store: Store
) -> None:
    await asyncio.gather(*(service.put("order", "sms", text=str(index)) for index in range(10)))

    assert len(await service.list()) == 1
    assert await stored(store) == 10


async def test_withdrawing_leaves_the_version_for_what_pinned_it(service: TemplateService) -> None:
    put = await service.put("order", "sms", text="words")

    assert await service.withdraw("order", "sms") == put

    assert await service.list() == []
    assert (await service.render(put.version, {})).text == "words"
    with pytest.raises(NotFound):
        await service.withdraw("order", "sms")


async def test_withdrawing_gives_the_built_in_one_its_place_back(service: TemplateService) -> None:
    await service.load()
    built_in = await service.get("welcome", "email")
    await service.put("welcome", "email", text="put", subject="put")

    await service.withdraw("welcome", "email")

    assert await service.get("welcome", "email") == built_in


async def test_the_last_template_of_a_workflow_can_not_be_withdrawn(
    service: TemplateService, needing: list[str]
) -> None:
    await service.put("order", "sms", text="T")
    await service.put("order", "sms", text="T", locale="de")
    needing.append("order-shipped")

    await service.withdraw("order", "sms", locale="de")
    with pytest.raises(Conflict, match=r"order/sms is the last one that order-shipped can send"):
        await service.withdraw("order", "sms")

    assert await text(service) == "T"


async def test_what_a_folder_gave_can_not_be_withdrawn(
    service: TemplateService, folder: Path
) -> None:
    await service.load(folder)

    with pytest.raises(Conflict, match="order/sms comes from a folder"):
        await service.withdraw("order", "sms")


@pytest.mark.parametrize(
    ("put", "field", "reason"),
    [
        ({"text": "one\n{{ user.id }"}, "text", r"order/email\.txt, line 2: unexpected"),
        ({"subject": "{{ nobody }}"}, "subject", r"subject\.txt, line 1: nobody is unknown"),
        ({"html": "{% for %}"}, "html", r"email\.html, line 1"),
        ({"subject": None}, "subject", "a template for email needs one"),
        ({"text": "a\0b"}, "text", "NUL"),
        ({"text": "\ud800"}, "text", "surrogate"),
        ({"html": "x" * (1024 * 1024 + 1)}, "html", "more than 1048576 bytes"),
        ({"text": "{{" + "(" * 100_000}, "text", "line 1"),
        ({"key": "Order"}, "key", "a-z"),
        ({"channel": "e-mail"}, "channel", "must be a channel"),
        ({"locale": "german"}, "locale", "must be a language"),
        ({"locale": ""}, "locale", "must be a language"),
    ],
)
async def test_what_can_not_be_taken_is_named_and_nothing_is_stored(
    service: TemplateService, store: Store, put: dict[str, Any], field: str, reason: str
) -> None:
    whole = {"key": "order", "channel": "email", "text": "T", "subject": "S"} | put

    with pytest.raises(InvalidInput, match=reason) as refusal:
        await service.put(**whole)

    assert refusal.value.field == field
    assert await stored(store) == 0
