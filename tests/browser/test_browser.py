from playwright.async_api import Page, expect


async def test_the_browser_runs_scripts(page: Page) -> None:
    await page.set_content("<p id=greeting></p><script>greeting.textContent = 'Hello'</script>")

    await expect(page.locator("#greeting")).to_have_text("Hello")


async def test_every_test_gets_a_fresh_page(page: Page) -> None:
    assert page.url == "about:blank"
