"""The dev outbox in a real browser."""

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest_asyncio
from playwright.async_api import Dialog, Page, Request, expect

from tests.browser.looks import axe_findings, take_picture
from tests.browser.samples import message
from tests.browser.scenes import EVIL_TEXT, empty_site, evil_site
from tests.browser.site import Site, running


@pytest_asyncio.fixture(loop_scope="session")
async def evil() -> AsyncIterator[Site]:
    async with running(evil_site()) as site:
        yield site


async def test_a_new_message_shows_up_by_itself(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/outbox")
        await expect(page.get_by_text("No messages yet.")).to_be_visible()
        await expect(page.locator("#live-status")).to_have_text("Live")

        site.outbox.messages.insert(0, message(subject="Brand new"))

        await expect(page.get_by_role("link", name="Brand new")).to_be_visible()


async def test_search_works_by_keyboard_and_keeps_addresses_out_of_urls(
    page: Page, busy: Site
) -> None:
    requests: list[Request] = []
    page.on("request", lambda request: requests.append(request))
    await page.goto(f"{busy.url}/outbox")

    await page.get_by_label("Search").focus()
    await page.keyboard.type("grace@example.com")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("1 found")).to_be_visible()
    await expect(page.get_by_role("link", name="Your order left")).to_be_visible()
    await expect(page.get_by_role("link", name="Welcome to the shop")).to_have_count(0)
    assert all("grace" not in request.url for request in requests)
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your order left")


async def test_a_search_stays_while_new_messages_come(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/outbox")
    await expect(page.locator("#live-status")).to_have_text("Live")
    await page.get_by_label("Search").fill("grace")
    await expect(page.get_by_text("1 found")).to_be_visible()

    busy.outbox.messages.insert(0, message(subject="Not asked for"))
    busy.outbox.messages.insert(0, message(subject="Asked for", name="Grace"))

    await expect(page.get_by_text("2 found")).to_be_visible()
    await expect(page.get_by_text("Not asked for")).to_have_count(0)


async def test_a_search_without_a_match_says_so_accessibly(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/outbox")

    await page.get_by_label("Search").fill("nobody")

    await expect(page.get_by_text("No message matches.")).to_be_visible()
    assert await axe_findings(page) == []


async def test_the_views_of_a_message_are_switched_by_keyboard(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/outbox/{busy.outbox.messages[0].id}")
    await expect(page.frame_locator("iframe").get_by_text("We are glad")).to_be_visible()

    await page.get_by_role("radio", name="HTML").focus()
    await page.keyboard.press("ArrowRight")

    await expect(page.locator(".mail-text").first).to_be_visible()
    await expect(page.locator("iframe")).to_be_hidden()
    assert await axe_findings(page) == []
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_text("Outbox entry")).to_be_visible()
    assert await axe_findings(page) == []
    await take_picture(page, "message-details")


async def test_the_phone_toggle_makes_the_frame_390_pixels_wide(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/outbox/{busy.outbox.messages[0].id}")

    await page.get_by_role("checkbox", name="Phone width").focus()
    await page.keyboard.press("Space")

    await expect(page.locator("iframe")).to_have_js_property("clientWidth", 390)
    await take_picture(page, "message-phone")


async def test_a_message_leads_to_the_story_of_its_event(page: Page, busy: Site) -> None:
    kept = busy.outbox.messages[0]
    story = busy.notifications.events[0]
    busy.outbox.events[kept.message_id] = story.event_id
    await page.goto(f"{busy.url}/outbox/{kept.id}")
    await expect(page.locator("nav [aria-current=true]")).to_have_text("Outbox")

    await page.get_by_role("link", name="Why was this sent?").click()

    await expect(page.get_by_role("heading", level=1)).to_have_text(story.type)


async def test_a_phone_is_not_offered_the_width_of_a_phone(page: Page, busy: Site) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(f"{busy.url}/outbox/{busy.outbox.messages[0].id}")

    await expect(page.locator("iframe")).to_be_visible()
    await expect(page.locator(".toggle")).to_be_hidden()


async def test_an_empty_outbox_has_nothing_to_search_until_something_comes(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/outbox")
        await expect(page.locator("#live-status")).to_have_text("Live")
        await expect(page.get_by_role("search")).to_be_hidden()

        site.outbox.messages.insert(0, message(subject="The first"))

        await expect(page.get_by_role("link", name="The first")).to_be_visible()
        await expect(page.get_by_role("search")).to_be_visible()


async def test_a_message_that_is_gone_leads_back_to_the_outbox(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/outbox/nothing")

        await page.get_by_role("link", name="To the outbox").click()

        await expect(page.get_by_role("heading", level=1)).to_have_text("Outbox")


async def test_older_messages_are_a_page_away(page: Page) -> None:
    site = empty_site()
    site.outbox.messages = [message(subject=f"Message {number}") for number in range(60)]
    async with running(site):
        await page.goto(f"{site.url}/outbox")
        await expect(page.locator(".messages li")).to_have_count(50)

        await page.get_by_role("button", name="Older messages").click()

        await expect(page.locator(".messages li")).to_have_count(10)
        await expect(page.get_by_role("link", name="Message 59")).to_be_visible()


async def test_a_mail_can_neither_run_nor_fetch_anything(page: Page, evil: Site) -> None:
    dialogs: list[Dialog] = []
    requests: list[Request] = []
    page.context.on("dialog", lambda dialog: dialogs.append(dialog))
    page.context.on("request", lambda request: requests.append(request))

    await page.goto(f"{evil.url}/outbox/{evil.outbox.messages[0].id}")
    await expect(page.frame_locator("iframe").get_by_text("Prize")).to_be_visible()
    await page.frame_locator("iframe").locator("#trap").click()
    await page.frame_locator("iframe").get_by_role("button").click()
    await page.goto(f"{evil.url}/outbox/{evil.outbox.messages[0].id}/html")
    await expect(page.get_by_text("Prize")).to_be_visible()
    await page.get_by_role("button").click()

    assert dialogs == []
    afar = [request for request in requests if urlsplit(request.url).hostname == "example.com"]
    assert {request.failure for request in afar} == {"csp"}
    assert [request.method for request in requests if request.method != "GET"] == []


async def test_a_dialog_would_have_been_noticed(page: Page) -> None:
    dialogs: list[str] = []

    async def note(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        await dialog.dismiss()

    page.context.on("dialog", note)

    await page.set_content("<img src='data:,' onerror=\"alert('planted'); this.id = 'tried'\">")
    await expect(page.locator("#tried")).to_be_attached()

    assert dialogs == ["planted"]


async def test_what_strangers_wrote_is_shown_as_text(page: Page, evil: Site) -> None:
    dialogs: list[Dialog] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))

    for path in ("/outbox", f"/outbox/{evil.outbox.messages[0].id}"):
        await page.goto(evil.url + path)

        await expect(page.get_by_text(EVIL_TEXT, exact=False).first).to_be_visible()

    assert dialogs == []
