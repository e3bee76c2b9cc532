"""The example of a notification type of one's own, as its README tells it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tidings.notifications.workflows import load_modules
from tidings.settings import Settings
from tidings.testing.fake_system import FakeSystem

FOLDER = Path(__file__).parents[2] / "examples" / "order_shipped"
SHIPPED = {
    "order": "1042",
    "tracking_url": "https://example.com/track/1042",
    "items": [{"quantity": 2, "name": "Tea <cup>"}],
}


async def test_a_workflow_and_its_templates_are_a_new_notification_type(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(str(FOLDER))

    async with FakeSystem(
        workflows=load_modules(["notifications"]), templates=Path("templates")
    ) as system:
        await system.users.put("ann", email="ann@example.com", name="Ann", locale=None)
        await system.trigger("ORDER_SHIPPED", "ann", SHIPPED)
        await system.settle()

        mail = system.assert_sent(to="ann@example.com", subject="order 1042 is on its way")

    assert "Good news, Ann: order 1042" in mail.content.text
    assert "- 2 × Tea <cup>" in mail.content.text
    assert "<li>2 × Tea &lt;cup&gt;</li>" in (mail.content.html or "")


@pytest.mark.parametrize("given", [{}, {"items": None}])
async def test_an_order_without_items_is_not_sent_and_the_reason_names_them(
    monkeypatch: pytest.MonkeyPatch, given: Mapping[str, object]
) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.syspath_prepend(str(FOLDER))
    data = {"order": "1042", "tracking_url": "https://example.com/track/1042", **given}

    async with FakeSystem(
        workflows=load_modules(["notifications"]), templates=Path("templates")
    ) as system:
        await system.users.put("ann", email="ann@example.com", name=None, locale=None)
        event_id = await system.trigger("ORDER_SHIPPED", "ann", data)
        (run,) = (await system.settled(event_id)).notifications

        system.assert_nothing_sent()

    assert run.deliveries[0].state == "failed"
    assert "email.txt, line 3: `data.items` is undefined" in (run.deliveries[0].reason or "")


def test_the_readme_names_settings_that_exist() -> None:
    readme = (FOLDER / "README.md").read_text()

    assert "TIDINGS_WORKFLOWS=notifications TIDINGS_TEMPLATES=templates" in readme
    assert {"workflows", "templates"} <= Settings.model_fields.keys()
