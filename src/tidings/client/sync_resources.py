"""What `Client` keeps under a name of its own: the resources of `AsyncClient`, without `await`."""

from collections.abc import Sequence

from tidings.client.answers import Definition, Preference, PreferenceItem, User, Workflow
from tidings.client.loop_thread import LoopThread
from tidings.client.resources import Users, Workflows


class SyncUsers:
    """People, their addresses and preferences."""

    def __init__(self, users: Users, thread: LoopThread) -> None:
        self._users = users
        self._thread = thread

    def put(
        self,
        user_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        locale: str | None = None,
    ) -> User:
        """Make or replace a user: what isn't given is gone afterwards. Raises InvalidInput."""
        return self._thread.wait_for(
            self._users.put(user_id, email=email, name=name, locale=locale)
        )

    def get(self, user_id: str) -> User:
        """The user. Raises NotFound."""
        return self._thread.wait_for(self._users.get(user_id))

    def preferences(self, user_id: str) -> list[PreferenceItem]:
        """What the user chose. Raises NotFound."""
        return self._thread.wait_for(self._users.preferences(user_id))

    def set_preferences(
        self, user_id: str, preferences: Sequence[Preference | PreferenceItem]
    ) -> list[PreferenceItem]:
        """Replace all that the user chose. Raises NotFound and InvalidInput."""
        return self._thread.wait_for(self._users.set_preferences(user_id, preferences))


class SyncWorkflows:
    """Workflows, as they are published."""

    def __init__(self, workflows: Workflows, thread: LoopThread) -> None:
        self._workflows = workflows
        self._thread = thread

    def put(self, workflow: Definition) -> Workflow:
        """Publish a `tidings.Workflow` in place of what its key had. Raises InvalidInput."""
        return self._thread.wait_for(self._workflows.put(workflow))

    def get(self, key: str) -> Workflow:
        """The published workflow of a key. Raises NotFound."""
        return self._thread.wait_for(self._workflows.get(key))

    def list(self) -> Sequence[Workflow]:
        """The published workflows, in the order of their keys."""
        return self._thread.wait_for(self._workflows.list())
