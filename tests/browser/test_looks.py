"""Every page, with data and empty, narrow and wide, light and dark."""

from collections.abc import AsyncIterator, Callable
from typing import Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.looks import axe_findings, overflow, take_picture
from tests.browser.scenes import busy_site, crowded_site, empty_site, locked_site
from tests.browser.site import Site, running

Scheme = Literal["light", "dark"]

SCENES: dict[str, tuple[Callable[[], Site], Callable[[Site], str]]] = {
    "dashboard": (busy_site, lambda _site: "/dashboard"),
    "dashboard-crowded": (crowded_site, lambda _site: "/dashboard"),
    "dashboard-empty": (empty_site, lambda _site: "/dashboard"),
    "event": (
        busy_site,
        lambda site: f"/dashboard/events/{site.notifications.events[1].event_id}",
    ),
    "outbox": (busy_site, lambda _site: "/outbox"),
    "outbox-empty": (empty_site, lambda _site: "/outbox"),
    "message": (busy_site, lambda site: f"/outbox/{site.outbox.messages[0].id}"),
    "letters": (busy_site, lambda _site: "/dead-letters"),
    "letters-empty": (empty_site, lambda _site: "/dead-letters"),
    "letter": (
        busy_site,
        lambda site: f"/dead-letters/delivery/{site.dead_letters.letters[2].id}",
    ),
    "access-without-keys": (empty_site, lambda _site: "/login"),
    "access": (locked_site, lambda _site: "/login?next=/outbox"),
    "not-found": (empty_site, lambda _site: "/outbox/nothing"),
}


@pytest_asyncio.fixture(loop_scope="session", params=["light", "dark"])
async def scheme(request: pytest.FixtureRequest) -> Scheme:
    chosen: Scheme = request.param
    return chosen


@pytest_asyncio.fixture(loop_scope="session", params=[390, 1280])
async def look(
    browser: Browser, scheme: Scheme, request: pytest.FixtureRequest
) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport={"width": request.param, "height": 800}, color_scheme=scheme
    )
    yield await context.new_page()
    await context.close()


@pytest.mark.parametrize("scene", SCENES)
async def test_a_page_is_accessible_and_fits_its_window(
    look: Page, scheme: Scheme, scene: str
) -> None:
    make_site, path = SCENES[scene]
    async with running(make_site()) as site:
        await look.goto(site.url + path(site))

        await take_picture(look, f"{scene}-{look.viewport_size['width']}-{scheme}")  # type: ignore[index]  # it was given one
        assert await axe_findings(look) == []
        assert await overflow(look) == 0


async def test_the_checker_sees_a_planted_fault(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        await page.evaluate("document.querySelector('main').append(new Image())")

        findings = await axe_findings(page)

        assert [finding for finding in findings if finding.startswith("image-alt")]


async def test_the_overflow_check_sees_a_planted_fault(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        await page.evaluate("document.querySelector('main').style.width = '3000px'")

        assert await overflow(page) > 0
