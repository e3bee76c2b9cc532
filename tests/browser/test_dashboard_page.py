"""The dashboard in a real browser."""

from playwright.async_api import Browser, Dialog, Page, expect

from tests.browser.looks import axe_findings, overflow, take_picture
from tests.browser.samples import USER, event
from tests.browser.scenes import (
    EVIL_TEXT,
    crowded_site,
    empty_site,
    evil_site,
)
from tests.browser.site import Site, running


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


async def test_an_id_stays_on_one_line_beside_long_reasons_and_can_be_read_whole(
    page: Page,
) -> None:
    async with running(crowded_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        cell = page.locator(".events .cut").first

        heights = await cell.evaluate(
            "e => [e.clientHeight, parseFloat(getComputedStyle(e).lineHeight)]"
        )

        assert heights[0] < 1.5 * heights[1]
        await expect(cell).to_have_attribute("title", USER)
        await expect(cell).to_have_text(USER)


async def test_a_phone_shows_ten_events_and_the_others_when_asked(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    async with running(crowded_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        rows = page.locator(".events tbody tr")
        await expect(rows.nth(9)).to_be_visible()
        await expect(rows.nth(10)).to_be_hidden()

        await page.locator(".more summary").focus()
        await page.keyboard.press("Enter")

        await expect(rows.nth(19)).to_be_visible()
        assert await overflow(page) == 0
        assert await axe_findings(page) == []


async def test_a_story_says_what_came_of_it_in_the_words_of_the_dashboard(
    page: Page, busy: Site
) -> None:
    for number, word in enumerate(["sent", "failed", "skipped", "waiting", "no workflow"]):
        await page.goto(f"{busy.url}/dashboard")
        row = page.locator(".events tbody tr").nth(number)
        await expect(row.locator(".pill")).to_have_text(word)
        await row.get_by_role("link").click()
        await expect(page.locator(".facts .pill")).to_have_text(word)
        await expect(page.get_by_text("planned")).to_have_count(0)
        await expect(page.locator("nav [aria-current=true]")).to_have_text("Dashboard")


async def test_the_api_docs_have_the_header_of_every_page(page: Page) -> None:
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/docs")

        await expect(page.locator("nav [aria-current=page]")).to_have_text("API docs")
        await expect(page.get_by_text("No operations defined in spec!")).to_be_visible()


async def test_the_command_to_try_is_copied_by_keyboard(browser: Browser) -> None:
    context = await browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        await page.get_by_role("button", name="Copy").focus()
        await page.keyboard.press("Enter")

        await expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == f'curl -X POST "{site.url}/register?email=test@example.com"'
    await context.close()


async def test_without_leave_to_copy_the_command_is_selected(page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error())")
    async with running(empty_site()) as site:
        await page.goto(f"{site.url}/dashboard")
        await page.get_by_role("button", name="Copy").click()

        await expect(page.get_by_role("button", name="Selected")).to_be_visible()
        selected = await page.evaluate("getSelection().toString()")
        assert selected == f'curl -X POST "{site.url}/register?email=test@example.com"'
    assert errors == []


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
