"""Every page, with data and empty, narrow and wide, light and dark."""

import itertools
from collections.abc import Callable
from typing import Literal

import pytest
from playwright.async_api import Page

from tests.browser.looks import axe_findings, overflow, take_picture
from tests.browser.scenes import busy_site, crowded_site, empty_site, locked_site
from tests.browser.site import Site, running

WIDTHS = (390, 1280)
FIGURES = ("delivered", "retried", "suppressed", "skipped", "expired", "cancelled", "held")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")

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


@pytest.mark.parametrize("scene", SCENES)
async def test_a_page_is_accessible_and_fits_its_window(page: Page, scene: str) -> None:
    make_site, path = SCENES[scene]
    async with running(make_site()) as site:
        for width, scheme in itertools.product(WIDTHS, SCHEMES):
            await page.set_viewport_size({"width": width, "height": 800})
            await page.emulate_media(color_scheme=scheme)
            await page.goto(site.url + path(site))

            await take_picture(page, f"{scene}-{width}-{scheme}")
            assert await axe_findings(page) == [], (width, scheme)
            assert await overflow(page) == 0, (width, scheme)


@pytest.mark.parametrize("count", range(3, 11))
async def test_no_figure_stands_in_a_row_alone(page: Page, count: int) -> None:
    site = empty_site()
    for word in FIGURES[: count - 3]:
        site.analytics.count(word, 1, 5)
    async with running(site):
        await page.goto(f"{site.url}/dashboard")
        for width in (390, 760, 1000, 1280):
            await page.set_viewport_size({"width": width, "height": 800})

            rows = await page.eval_on_selector_all(".figure", "all => all.map(e => e.offsetTop)")

            assert len(rows) == count
            assert rows.count(rows[-1]) > 1, width


async def test_on_a_telephone_the_list_of_pages_begins_where_the_text_does(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.set_viewport_size({"width": 390, "height": 800})
        await page.goto(f"{site.url}/dashboard")

        edges = await page.eval_on_selector_all(
            ".brand, nav, h1", "all => all.map(e => e.getBoundingClientRect().left)"
        )

    assert len(set(edges)) == 1


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
