"""`Client`, `AsyncClient` and the system in process are called alike."""

import inspect

import pytest

from tidings.api.keys import KeyService
from tidings.client.async_client import AsyncClient
from tidings.client.dead_letters import DeadLetters
from tidings.client.resources import Feed, Keys, Templates, Users, Workflows
from tidings.client.suppressions import Suppressions, SyncSuppressions
from tidings.client.sync_client import Client
from tidings.client.sync_dead_letters import SyncDeadLetters
from tidings.client.sync_resources import (
    SyncFeed,
    SyncKeys,
    SyncTemplates,
    SyncUsers,
    SyncWorkflows,
)
from tidings.inbox.service import InboxService
from tidings.notification_system import NotificationSystem
from tidings.notifications.dead_letters import DeadLetterService
from tidings.notifications.workflows import WorkflowService
from tidings.templates.service import TemplateService
from tidings.users.service import UserService
from tidings.users.suppressions import SuppressionService

#: how each is opened and closed is its own
OWN = {"aclose", "close"}


def methods(cls: type) -> dict[str, inspect.Signature]:
    """The public methods of a class, and `__init__`, as they are called."""
    found = {
        name: inspect.signature(one, eval_str=True)
        for name, one in vars(cls).items()
        if inspect.isfunction(one) and (name == "__init__" or name[0] != "_")
    }
    return {name: signature for name, signature in found.items() if name not in OWN}


def calls(cls: type) -> dict[str, list[tuple[object, ...]]]:
    """The public methods, with what a caller must know of their parameters."""
    return {
        name: [(one.name, one.kind, one.default) for one in signature.parameters.values()]
        for name, signature in methods(cls).items()
        if name != "__init__"
    }


def unlike(client: type, in_process: type) -> list[str]:
    """The methods that both have and that are called differently.

    Who asks (`by`) the API knows from the key.
    """
    ours, theirs = calls(client), calls(in_process)
    theirs = {name: [one for one in each if one[0] != "by"] for name, each in theirs.items()}
    return [name for name in ours.keys() & theirs.keys() if ours[name] != theirs[name]]


def test_client_and_async_client_have_the_same_methods() -> None:
    assert methods(Client) == methods(AsyncClient)


@pytest.mark.parametrize(
    ("sync", "other"),
    [
        (SyncUsers, Users),
        (SyncSuppressions, Suppressions),
        (SyncWorkflows, Workflows),
        (SyncTemplates, Templates),
        (SyncFeed, Feed),
        (SyncKeys, Keys),
        (SyncDeadLetters, DeadLetters),
    ],
)
def test_resources_have_the_same_methods(sync: type, other: type) -> None:
    assert calls(sync) == calls(other)
    returns = [
        {name: each.return_annotation for name, each in methods(one).items()}
        for one in (sync, other)
    ]
    assert returns[0] == returns[1]


def test_both_clients_have_the_same_resources() -> None:
    with Client() as client:
        names = {name for name in vars(client) if name[0] != "_"}

    assert names == {name for name in vars(AsyncClient()) if name[0] != "_"}


@pytest.mark.parametrize(
    ("client", "in_process", "both"),
    [
        (
            AsyncClient,
            NotificationSystem,
            {
                "trigger",
                "register",
                "send",
                "cancel",
                "confirm",
                "explain",
                "timeline",
                "settled",
            },
        ),
        (Users, UserService, {"put", "get", "preferences", "set_preferences"}),
        (Suppressions, SuppressionService, {"put", "find", "get", "list", "lift"}),
        (Workflows, WorkflowService, {"put", "get", "list"}),
        (Templates, TemplateService, {"put", "get", "list", "withdraw"}),
        (Feed, InboxService, {"list", "counts", "mark", "mark_all_seen", "mark_all_read"}),
        (Keys, KeyService, {"create", "list", "revoke"}),
        (DeadLetters, DeadLetterService, {"list", "get", "replay", "replay_all"}),
    ],
)
def test_what_the_system_in_process_has_too_is_called_alike(
    client: type, in_process: type, both: set[str]
) -> None:
    assert calls(client).keys() & calls(in_process).keys() == both
    assert unlike(client, in_process) == []


def test_a_planted_difference_is_found() -> None:
    class One:
        def put(self, key: str, *, name: str | None = None) -> int:
            raise NotImplementedError

    class Renamed:
        def put(self, key: str, *, title: str | None = None) -> int:
            raise NotImplementedError

    class Other:
        def put(self, key: str, *, name: str | None = None) -> str:
            raise NotImplementedError

    assert unlike(One, Renamed) == ["put"]
    assert unlike(One, Other) == []
    assert methods(One) != methods(Other)
