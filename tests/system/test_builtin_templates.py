"""The templates that come with the program: what they say, and that any mail client shows it."""

import re
from collections.abc import AsyncIterator, Mapping
from html.parser import HTMLParser
from typing import Any

import pytest

from tidings.core.clock import SystemClock
from tidings.store.sqlite import SqliteStore
from tidings.templates.service import TemplateService


@pytest.fixture
async def service() -> AsyncIterator[TemplateService]:
    store = await SqliteStore.open(None, clock=SystemClock())
    service = TemplateService(store, SystemClock())
    await service.load()
    yield service
    await store.aclose()


async def pinned(service: TemplateService, key: str, locale: str = "") -> str:
    found = (await service.catalog()).resolve(key, "email", locale)
    assert found is not None
    return found.version


def context(name: str | None = None, **data: Any) -> Mapping[str, Any]:
    user = {"id": "ann", "name": name, "locale": None}
    return {"user": user, "event": {"id": "e", "type": "T", "time": "now"}, "data": data}


LANGUAGES = {"": "Welcome", "de": "Willkommen", "pl": "Witamy"}


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("name", [None, "Ann <b> O'Hara", "山田太郎"])
async def test_the_welcome_greets_by_name_if_there_is_one(
    service: TemplateService, locale: str, name: str | None
) -> None:
    content = await service.render(await pinned(service, "welcome", locale), context(name))

    greeting = f"{LANGUAGES[locale]}, {name}!" if name else f"{LANGUAGES[locale]}!"
    assert content.subject == greeting
    assert content.text.startswith(f"{greeting}\n\n")
    assert Page(content.html or "").words("h1") == greeting


@pytest.mark.parametrize("locale", LANGUAGES)
async def test_both_forms_of_the_welcome_say_the_same(
    service: TemplateService, locale: str
) -> None:
    content = await service.render(await pinned(service, "welcome", locale), context())

    page = Page(content.html or "")
    sentences = [line for line in content.text.splitlines() if line and line != "-- "]
    assert len(sentences) == 4
    assert [sentence for sentence in sentences if sentence not in page.words("body")] == []


@pytest.mark.parametrize(
    ("key", "locale", "lang"),
    [("welcome", "", "en"), ("welcome", "de", "de"), ("welcome", "pl", "pl"), ("direct", "", "en")],
)
async def test_built_in_mails_are_simple_and_accessible(
    service: TemplateService, key: str, locale: str, lang: str
) -> None:
    version = await pinned(service, key, locale)

    html = (await service.render(version, context(text="Hi"))).html or ""

    page = Page(html)
    assert page.attributes("html") == [{"lang": lang}]
    assert page.words("title")
    assert all(table["role"] == "presentation" for table in page.attributes("table"))
    assert "prefers-color-scheme: dark" in html
    assert not re.search(r"https?:|src=|@import|url\(|<script", html)
    assert len(html) < 20_000


async def test_a_direct_message_keeps_its_lines_and_is_escaped(service: TemplateService) -> None:
    text = "Hello <b>\r\n  there\n& all"

    content = await service.render(
        await pinned(service, "direct"), context(text=text, subject="On\r\nBcc: x")
    )

    assert content.text == text
    assert content.subject == "On Bcc: x"
    assert "Hello &lt;b&gt;<br>  there<br>&amp; all" in (content.html or "")


@pytest.mark.parametrize("data", [{}, {"subject": None}, {"subject": ""}])
async def test_a_direct_message_needs_no_subject(
    service: TemplateService, data: Mapping[str, Any]
) -> None:
    version = await pinned(service, "direct")

    content = await service.render(version, context(text="Hi", **data))
    assert content.subject == "A message for you"


class Page(HTMLParser):
    """What a mail client makes of a mail: the words below each tag, and the tags' attributes."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self._open: list[str] = []
        self._words: dict[str, str] = {}
        self._attributes: dict[str, list[dict[str, str | None]]] = {}
        self.feed(html)
        assert self._open == []

    def words(self, tag: str) -> str:
        return self._words[tag]

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return self._attributes[tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._attributes.setdefault(tag, []).append(dict(attrs))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self._words[tag] = self._words.get(tag, "") + data
