"""Tidings inside your own asyncio program: `python examples/embedded.py`.

No server, no Redis, nothing on disk: the database is in memory and e-mail goes to the outbox.
"""

import asyncio

from tidings import NotificationSystem


async def main() -> None:
    async with NotificationSystem(database_url="sqlite://") as system:
        event_id = await system.register("ann@example.com", name="Ann")
        await settled(system, event_id)

        explanation = await system.explain(event_id)
        for notification in explanation.notifications:
            for decision in notification.decisions:
                print(f"{notification.workflow}: {decision.verdict} because {decision.reason}")

        for message in await system.system.outbox.recent():
            print(f"to {message.address}: {message.content.subject}")


async def settled(system: NotificationSystem, event_id: str, seconds: float = 10) -> None:
    """Wait until every message of the event was sent, or failed for good."""
    async with asyncio.timeout(seconds):
        while True:
            explanation = await system.explain(event_id)
            states = [
                delivery.state
                for notification in explanation.notifications
                for delivery in notification.deliveries
            ]
            if states and not {"pending", "sending"} & set(states):
                return
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main())
