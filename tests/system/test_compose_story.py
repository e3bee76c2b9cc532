"""What a newcomer does: all services as docker-compose.yml starts them, one curl, one mail."""

import json
import re
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compose import ROOT
from tests.compose_fleet import ComposeFleet
from tests.faults.fleet import wait_until
from tests.servers.smtp import SmtpSink

WORKERS = ("notification-worker", "email-worker", "analytics-worker")
SERVERS = ("TIDINGS_DATABASE_URL", "TIDINGS_REDIS_URL", "TIDINGS_SMTP_HOST", "TIDINGS_SMTP_PORT")

pytestmark = [pytest.mark.slow, pytest.mark.smtp]


@pytest.fixture
def mail() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def fleet(
    tmp_path: Path, postgres_url: str, redis_url: str, mail: SmtpSink
) -> Iterator[ComposeFleet]:
    values = (postgres_url, redis_url, "127.0.0.1", str(mail.port))
    with ComposeFleet(tmp_path, dict(zip(SERVERS, values, strict=True))) as fleet:
        yield fleet


def test_one_registration_is_one_mail_and_the_logs_of_all_services_tell_it(
    fleet: ComposeFleet, mail: SmtpSink
) -> None:
    fleet.start("api", *WORKERS, *WORKERS)
    fleet.wait_until_healthy()

    post(f"{fleet.url}/register?email=test@example.com")

    tells(fleet, "api", "event accepted", "type=REGISTERED_USER")
    tells(fleet, "notification-worker", "heard REGISTERED_USER", "bus_channel=USER_CHANNEL")
    tells(fleet, "notification-worker", "notification planned", "workflow=welcome", "reason=")
    tells(fleet, "email-worker", "claimed", "channel=email", "count=1")
    tells(fleet, "notification-worker", "welcome e-mail sent", "delivery_id=")
    tells(fleet, "analytics-worker", "heard REGISTERED_USER")
    tells(fleet, "analytics-worker", "the dashboard now shows", "1 sent")
    assert set(fleet.stop().values()) == {0}
    assert [each["To"] for each in mail.mails] == ["test@example.com"]
    assert "test@example.com" not in fleet.log()


def test_a_workflow_put_into_the_mounted_folder_is_carried_out(
    fleet: ComposeFleet, mail: SmtpSink
) -> None:
    for name in ("notifications.py", "templates"):
        copy(ROOT / "examples/order_shipped" / name, fleet.folder / name)
    fleet.start("api", "email-worker")
    fleet.start("notification-worker", TIDINGS_WORKFLOWS="notifications")
    fleet.wait_until_healthy()

    post(f"{fleet.url}/v1/users/ann", {"email": "ann@example.com"}, method="PUT")
    order = {"order": "1042", "items": [], "tracking_url": "https://example.com/1042"}
    post(f"{fleet.url}/v1/events", {"type": "ORDER_SHIPPED", "user_id": "ann", "data": order})

    wait_until(lambda: len(mail.mails) == 1, "the mail", fleet.log)
    assert "1042" in str(mail.mails[0]["Subject"])


def tells(fleet: ComposeFleet, name: str, *words: str) -> None:
    """Wait for one line of a service that has all these words."""
    wait_until(
        lambda: any(
            all(word in line for word in words) for line in plain(fleet.log(name)).splitlines()
        ),
        f"{name} tells {', '.join(words)}",
        fleet.log,
    )


def plain(log: str) -> str:
    """A log without its colours."""
    return re.sub(r"\x1b\[\d+m", "", log)


def post(url: str, body: object = None, *, method: str = "POST") -> None:
    """What the curl of the documents does."""
    data = json.dumps(body).encode() if body is not None else None
    headers = {"Content-Type": "application/json"} if data else {}
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status < 300


def copy(source: Path, target: Path) -> None:
    """A file or a folder, over what is there."""
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)
