"""Tidings inside your own asyncio program: `python examples/embedded.py`.

No server, no Redis, nothing on disk: the database is in memory and e-mail goes to the outbox.
"""

import asyncio

from tidings import NotificationSystem


async def main() -> None:
    async with NotificationSystem(database_url="sqlite://") as system:
        event_id = await system.register("ann@example.com", name="Ann")
        explanation = await system.settled(event_id)

        for notification in explanation.notifications:
            for decision in notification.decisions:
                print(f"{notification.workflow}: {decision.verdict} because {decision.reason}")

        for message in await system.services.outbox.recent():
            print(f"to {message.address}: {message.content.subject}")


if __name__ == "__main__":
    asyncio.run(main())
