"""How a page is looked at: axe, overflow, and a picture of it where TIDINGS_TEST_SHOTS says."""

import os
from pathlib import Path
from typing import Any

from playwright.async_api import Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"


async def axe_findings(page: Page) -> list[str]:
    """What axe finds wrong with the page, in a line each."""
    # by the debugger's door, as a script tag would be refused by the page's own policy
    await page.evaluate(AXE.read_text("utf-8"))
    result: dict[str, Any] = await page.evaluate("axe.run(document, {iframes: false})")
    return [
        f"{finding['id']}: {node['target']} {node['failureSummary']}"
        for finding in result["violations"]
        for node in finding["nodes"]
    ]


async def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    width: int = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return width


async def take_picture(page: Page, name: str) -> None:
    """Keep a picture of the whole page, if asked to by the environment."""
    if folder := os.environ.get("TIDINGS_TEST_SHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
