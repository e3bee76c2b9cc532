"""`Client`, from any thread, against a running system."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.fleet import Fleet
from tests.servers.ports import free_port
from tidings import Client, Email, InApp, Preference, Workflow
from tidings.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from tidings.inbox.items import Mark, Status


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("client"), {"TIDINGS_EMAIL_PROVIDER": "console"}) as fleet:
        fleet.start_api("tidings.notification_system")
        yield fleet


@pytest.fixture
def client(fleet: Fleet) -> Iterator[Client]:
    with Client(fleet.url) as client:
        yield client


def test_everything_has_its_answer(client: Client) -> None:
    user = client.users.put("ann", email="Ann@example.com", name="Ann")
    chosen = client.users.set_preferences(
        "ann",
        [
            Preference(workflow="*", channel="email", enabled=True),
            {"workflow": "news", "channel": "*", "enabled": False},
        ],
    )
    put = client.workflows.put(Workflow(key="hello", on="GREETED", steps=[Email("welcome")]))
    event_id = client.trigger("GREETED", "ann", {"n": 1})
    story = client.settled(event_id)
    sent = client.settled(client.send("ben@example.com", "hi", subject="Hi"))

    assert client.users.get("ann") == user | {"consent_version": 1}
    assert client.users.preferences("ann") == chosen
    assert [one["workflow"] for one in chosen] == ["*", "news"]
    assert client.workflows.get("hello") == put
    assert put in client.workflows.list()
    assert client.explain(event_id) == story
    assert [one["deliveries"][0]["state"] for one in story["notifications"]] == ["sent"]
    assert sent["notifications"][0]["deliveries"][0]["address"] == "ben@example.com"


def test_templates_are_put_shown_listed_and_withdrawn(client: Client) -> None:
    put = client.templates.put("tea", "email", text="Tea!", subject="Tea", locale="pt_br")
    everybody = client.templates.put("tea", "email", text="Tea.", subject="Tea", html="<p>Tea.</p>")
    page = client.templates.list(limit=1, after=("direct", "email", ""))
    rest = client.templates.list(after=("tea", "email", ""))
    shown = client.templates.get("tea", "email", locale="pt-BR")
    gone = client.templates.withdraw("tea", "email", locale="pt-BR")

    assert (put["locale"], everybody["locale"]) == ("pt-BR", None)
    assert shown == put == gone
    assert [one["key"] for one in page] == ["tea"]
    assert [one["locale"] for one in rest if one["key"] == "tea"] == ["pt-BR"]
    with pytest.raises(NotFound):
        client.templates.get("tea", "email", locale="pt-BR")
    with pytest.raises(Conflict, match="folder"):
        client.templates.withdraw("welcome", "email")
    with pytest.raises(InvalidInput) as wrong:
        client.templates.put("tea", "email", text="{{ tea", subject="Tea")
    assert wrong.value.field == "text"


def test_a_feed_is_shown_counted_and_marked(client: Client) -> None:
    client.users.put("fay")
    client.templates.put("arrived", "in_app", text="It waits for you.", subject="Here")
    client.workflows.put(Workflow(key="arrived", on="ARRIVED", steps=[InApp("arrived")]))
    for _ in range(3):
        client.settled(client.trigger("ARRIVED", "fay"))

    page = client.feed.list("fay", limit=2)
    rest = client.feed.list("fay", before=page["next"])
    newest, second = page["items"]
    read = client.feed.mark("fay", newest["id"], "read")
    away = client.feed.mark("fay", second["id"], Mark.ARCHIVE)

    assert (newest["title"], newest["body"]) == ("Here", "It waits for you.")
    assert page["counts"] == {"unseen": 3, "unread": 3}
    assert (len(rest["items"]), rest["next"]) == (1, None)
    assert read["item"]["read_at"] is not None
    assert away["counts"] == client.feed.counts("fay") == {"unseen": 1, "unread": 1}
    assert client.feed.list("fay", status="archived")["items"] == [away["item"]]
    assert client.feed.list("fay", status=Status.UNREAD)["items"] == rest["items"]
    assert client.feed.mark_all_seen("fay") == {"unseen": 0, "unread": 1}
    assert client.feed.mark_all_read("fay") == {"unseen": 0, "unread": 0}


def test_refusals_about_a_feed_are_errors_of_our_tree(client: Client) -> None:
    client.users.put("gus")

    with pytest.raises(NotFound, match="there is no"):
        client.feed.counts("nobody")
    with pytest.raises(NotFound, match="feed"):
        client.feed.mark("gus", "no-item", "seen")
    with pytest.raises(InvalidInput) as wrong:
        client.feed.list("gus", before="no-item")
    assert wrong.value.field == "before"


def test_each_of_many_has_a_result_or_a_problem(client: Client) -> None:
    client.users.put("bea", email="bea@example.com")

    good, unknown, wrong = client.trigger_many(
        [
            {"type": "NOTED", "user_id": "bea"},
            {"type": "NOTED", "user_id": "nobody"},
            {"type": "", "user_id": "bea"},
        ],
        idempotency_key="many-1",
    )
    (again,) = client.trigger_many([{"type": "NOTED", "user_id": "bea"}], idempotency_key="many-1")

    assert (good["status"], unknown["status"], wrong["status"]) == (202, 404, 422)
    assert unknown["type"] == "urn:tidings:problem:not-found"
    assert wrong["field"] == "type"
    assert again == {"status": 202, "event_id": good["event_id"], "replayed": True}


def test_a_thousand_at_once_are_taken_and_one_more_is_too_many(client: Client) -> None:
    client.users.put("cat", email="cat@example.com")
    results = client.trigger_many([{"type": "NOTED", "user_id": "cat"}] * 1_000)

    assert {one["status"] for one in results} == {202}
    with pytest.raises(InvalidInput, match="1000"):
        client.trigger_many([{"type": "NOTED", "user_id": "cat"}] * 1_001)


def test_refusals_are_the_errors_of_the_system_in_process(client: Client) -> None:
    with pytest.raises(NotFound, match="there is no"):
        client.trigger("ORDERED", "nobody")
    with pytest.raises(NotFound):
        client.users.get("nobody")
    with pytest.raises(InvalidInput, match="address of the API"):
        client.users.get("..")
    with pytest.raises(InvalidInput, match="JSON"):
        client.trigger("ORDERED", "nobody", {"when": object()})


async def test_it_may_be_used_where_a_loop_is_running(client: Client) -> None:
    asyncio.get_running_loop()

    assert client.register("dan@example.com", name="Dan")


def test_many_threads_may_use_one_client(client: Client) -> None:
    with ThreadPoolExecutor(max_workers=20) as pool:
        ids = list(pool.map(lambda n: client.register(f"t{n}@example.com"), range(100)))

    assert len(set(ids)) == 100


def test_a_closed_client_says_so_and_leaves_no_thread(fleet: Fleet) -> None:
    before = threading.active_count()
    client = Client(fleet.url)
    client.register("eve@example.com")

    client.close()
    client.close()

    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="closed"):
        client.explain("x")


def test_closing_frees_whoever_still_waits() -> None:
    under_way = threading.Event()

    async def pause(_seconds: float) -> None:
        under_way.set()
        await asyncio.Event().wait()

    client = Client(f"http://127.0.0.1:{free_port()}", pause=pause)
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = pool.submit(client.explain, "x")
        assert under_way.wait(10)

        client.close()

        with pytest.raises(RuntimeError, match="closed"):
            waiting.result(10)


def test_nobody_there_is_unavailable() -> None:
    with (
        Client(f"http://127.0.0.1:{free_port()}", retries=0) as client,
        pytest.raises(Unavailable, match="tidings up"),
    ):
        client.explain("x")


FORKING = """
import os, sys
from tidings import Client

client = Client("http://127.0.0.1:9")
if os.fork() == 0:
    client.explain("x")
    os._exit(0)
_pid, status = os.wait()
client.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_client_made_before_a_fork_is_refused_after_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=30, check=False
    )

    assert done.returncode == 1
    assert "RuntimeError: this Client is closed, or was made before a fork" in done.stderr
