"""The dashboard in a real browser."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Dialog, Page, expect

from tests.browser.looks import axe_findings, overflow, take_picture
from tests.browser.samples import event
from tests.browser.scenes import EVIL_TEXT, busy_site, empty_site, evil_site
from tests.browser.site import Site, running


@pytest_asyncio.fixture(loop_scope="session")
async def busy() -> AsyncIterator[Site]:
    async with running(busy_site()) as site:
        yield site


async def test_figures_and_events_change_by_themselves(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        await expect(page.locator("#live-status")).to_have_text("Live")
        await expect(page.locator(".figure.registrations dd")).to_have_text("0")

        site.analytics.count("registered")
        site.notifications.events.insert(0, event(type="JUST_NOW"))

        await expect(page.locator(".figure.registrations dd")).to_have_text("1")
        await expect(page.get_by_role("link", name="JUST_NOW")).to_be_visible()
        await expect(page.locator("#in-words")).to_have_text("1 registration, 0 sent, 0 failed")


async def test_an_open_table_and_the_focus_survive_an_update(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/dashboard")
    await page.get_by_text("Show as a table").click()
    link = page.get_by_role("link", name="ORDER_SHIPPED")
    await link.focus()

    busy.analytics.count("registered", 5000)

    await expect(page.locator(".figure.registrations dd")).to_contain_text("6")
    await expect(page.get_by_role("region", name="The last hour as a table")).to_be_visible()
    await expect(link).to_be_focused()
    assert await axe_findings(page) == []


async def test_an_event_leads_to_its_story(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/dashboard")

    await page.get_by_role("link", name="REGISTERED_USER").nth(1).focus()
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", level=1)).to_have_text("REGISTERED_USER")
    story = page.locator(".timeline li")
    await expect(story.nth(1)).to_contain_text("rule default")
    await expect(story.nth(2)).to_contain_text("421 too busy")
    await expect(story.last).to_contain_text("550 5.1.1 no such mailbox")


async def test_a_cut_stream_is_told_and_mended(page: Page) -> None:
    site = empty_site()
    async with running(site):
        await page.goto(f"{site.url}/dashboard")
        await expect(page.locator("#live-status")).to_have_text("Live")
    await expect(page.locator("#live-status")).to_have_text("Reconnecting…")
    assert await axe_findings(page) == []
    await take_picture(page, "dashboard-cut")

    site.analytics.count("sent", 7)
    async with running(site):
        await expect(page.locator("#live-status")).to_have_text("Live", timeout=15_000)
        await expect(page.locator(".figure.sent dd")).to_have_text("7")


async def test_without_scripts_there_is_a_way_to_reload(browser: Browser, busy: Site) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{busy.url}/dashboard")

    await page.get_by_role("link", name="Reload").click()

    await expect(page.locator(".figure.sent dd")).to_have_text("930")
    await context.close()


async def test_the_table_of_the_chart_fits_a_phone(page: Page, busy: Site) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(f"{busy.url}/dashboard")

    await page.get_by_text("Show as a table").click()

    assert await overflow(page) == 0
    await take_picture(page, "dashboard-table-390")


async def test_what_strangers_wrote_is_shown_as_text(page: Page) -> None:
    dialogs: list[Dialog] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))

    async with running(evil_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        await expect(page.get_by_text(EVIL_TEXT, exact=False).first).to_be_visible()
        await expect(page.locator("#live-status")).to_have_text("Live")
        await page.goto(f"{site.url}/dashboard/events/{site.notifications.events[0].event_id}")
        await expect(page.get_by_text(EVIL_TEXT, exact=False).first).to_be_visible()

    assert dialogs == []


async def test_nothing_is_refused_by_the_pages_own_policy(page: Page, busy: Site) -> None:
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    for path in ("/dashboard", "/outbox", f"/outbox/{busy.outbox.messages[0].id}"):
        await page.goto(busy.url + path)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
    await page.goto(f"{busy.url}/dashboard")
    await expect(page.locator("#live-status")).to_have_text("Live")

    assert complaints == []
