"""The dead letters in a browser: found, inspected and replayed, with the keyboard too."""

from playwright.async_api import Dialog, Page, expect

from tests.browser.looks import axe_findings, overflow, take_picture
from tests.browser.samples import dead_letter
from tests.browser.scenes import EVIL_TEXT, empty_site, evil_site
from tests.browser.site import Site, running
from tidings.store.dead_letter_rows import Kind


async def test_they_are_found_while_one_types_and_the_words_stay_out_of_the_address(
    page: Page, busy: Site
) -> None:
    await page.goto(f"{busy.url}/dead-letters")
    await expect(page.locator(".letters tbody tr")).to_have_count(5)

    await page.get_by_label("Words in the reason").fill("mailbox")
    await expect(page.locator(".letters tbody tr")).to_have_count(1)
    await page.get_by_label("Words in the reason").fill("")
    await page.get_by_label("Kind").select_option("event")
    await expect(page.locator(".letters tbody tr")).to_have_count(1)
    await expect(page.get_by_role("link", name="ORDER_REFUSED")).to_be_visible()

    assert "mailbox" not in page.url
    await page.get_by_label("Kind").select_option("")
    await page.get_by_label("Workflow").fill("nothing-like-it")
    await expect(page.get_by_text("No dead letter matches.")).to_be_visible()
    assert await axe_findings(page) == []


async def test_one_is_inspected_and_replayed_by_keyboard(page: Page, busy: Site) -> None:
    letter = busy.dead_letters.letters[1]
    await page.goto(f"{busy.url}/dead-letters")
    await page.get_by_role("row").filter(has_text="mailbox is full").get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("welcome by email")
    await expect(page.get_by_text("421 too busy")).to_be_visible()

    await page.get_by_text("Replay…").focus()
    await page.keyboard.press("Enter")
    assert await axe_findings(page) == []
    assert await overflow(page) == 0
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("status")).to_have_text("1 replayed.")
    await page.reload()
    await expect(page.locator(".letters tbody tr")).to_have_count(4)
    assert page.url == f"{busy.url}/dead-letters"
    assert [(one, doubt) for one, doubt, _by in busy.dead_letters.replays] == [(letter.id, False)]


async def test_what_is_in_doubt_is_replayed_only_with_a_tick(page: Page, busy: Site) -> None:
    letter = busy.dead_letters.letters[2]
    await page.goto(f"{busy.url}/dead-letters/delivery/{letter.id}")
    await page.get_by_text("Replay…").click()
    await expect(page.get_by_text("Nobody can tell whether a call of it was taken")).to_be_visible()

    await page.get_by_role("button", name="Replay it now").click()
    assert busy.dead_letters.replays == []
    await page.get_by_label("Send it all the same").check()
    await page.get_by_role("button", name="Replay it now").click()

    await expect(page.get_by_role("status")).to_have_text("1 replayed.")
    assert [(one, doubt) for one, doubt, _by in busy.dead_letters.replays] == [(letter.id, True)]


async def test_all_that_match_are_replayed_after_a_second_thought(page: Page, busy: Site) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(f"{busy.url}/dead-letters")
    await page.get_by_label("Kind").select_option("delivery")
    await expect(page.locator(".letters tbody tr")).to_have_count(2)

    await page.get_by_text("Replay all that match…").click()
    await take_picture(page, "letters-replay")
    await page.get_by_role("button", name="Replay all that match").click()

    await expect(page.get_by_role("status")).to_have_text(
        "1 replayed. 1 left out because they may have been delivered already: "
        "tick “Also those in doubt” to send them too."
    )
    await expect(page.locator(".letters tbody tr")).to_have_count(1)
    await expect(page.get_by_text("in doubt", exact=True)).to_be_visible()
    assert await overflow(page) == 0


async def test_every_one_is_replayed_with_those_in_doubt(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/dead-letters")

    await page.get_by_text("Replay all…").click()
    await page.get_by_label("Also those in doubt").check()
    await page.get_by_role("button", name="Replay every dead letter").click()

    await expect(page.get_by_role("status")).to_have_text("5 replayed.")
    assert {doubt for _one, doubt, _by in busy.dead_letters.replays} == {True}


async def test_the_first_click_after_words_were_typed_counts(page: Page, busy: Site) -> None:
    await page.goto(f"{busy.url}/dead-letters")
    await page.get_by_label("Words in the reason").press_sequentially("mailbox")
    await expect(page.locator(".letters tbody tr")).to_have_count(1)

    await page.get_by_text("Replay all that match…").hover()
    await page.mouse.down()
    await page.wait_for_timeout(50)
    await page.mouse.up()

    await expect(page.get_by_role("button", name="Replay all that match")).to_be_visible()


async def test_one_that_somebody_else_replayed_says_so_and_leads_back(
    page: Page, busy: Site
) -> None:
    letter = busy.dead_letters.letters.pop()

    await page.goto(f"{busy.url}/dead-letters/{letter.kind}/{letter.id}")

    await expect(page.get_by_text("there is no dead letter")).to_be_visible()
    await page.get_by_role("link", name="To the dead letters").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dead letters")


async def test_older_ones_are_a_page_away(page: Page) -> None:
    site = empty_site()
    site.dead_letters.letters = [
        dead_letter(f"Reason {number}", Kind.EVENT) for number in range(60)
    ]
    async with running(site):
        await page.goto(f"{site.url}/dead-letters")
        await expect(page.locator(".letters tbody tr")).to_have_count(50)

        await page.get_by_role("button", name="Older ones").click()

        await expect(page.locator(".letters tbody tr")).to_have_count(10)


async def test_what_strangers_wrote_is_shown_as_text(page: Page) -> None:
    dialogs: list[Dialog] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog))
    async with running(evil_site()) as site:
        letter = site.dead_letters.letters[0]
        for path in ("/dead-letters", f"/dead-letters/{letter.kind}/{letter.id}"):
            await page.goto(site.url + path)
            await expect(page.get_by_text(EVIL_TEXT, exact=False).first).to_be_visible()

    assert dialogs == []
