"""The rules for a set of preferences."""

from collections.abc import Sequence

from tidings.core.errors import InvalidInput
from tidings.core.names import is_channel, is_key
from tidings.users.consent import ANY
from tidings.users.people import Preference

#: choices one user may have
LIMIT = 1000


def check_preferences(preferences: Sequence[Preference]) -> list[Preference]:
    """The choices in order of workflow and channel. Raises InvalidInput naming the one at fault."""
    if len(preferences) > LIMIT:
        raise InvalidInput(f"preferences: at most {LIMIT} can be kept", field="preferences")
    seen: dict[tuple[str, str], Preference] = {}
    for index, choice in enumerate(preferences):
        _check_names(choice, f"preferences.{index}")
        if (choice.workflow, choice.channel) in seen:
            raise _refusal(f"preferences.{index}", "says again what another one decides")
        seen[choice.workflow, choice.channel] = choice
    return [seen[scope] for scope in sorted(seen)]


def _check_names(choice: Preference, place: str) -> None:
    if choice.workflow != ANY and not is_key(choice.workflow):
        raise _refusal(f"{place}.workflow", "must be the key of a workflow, or * for all of them")
    if choice.channel != ANY and not is_channel(choice.channel):
        raise _refusal(f"{place}.channel", "must be a channel such as email, or * for all of them")


def _refusal(place: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{place}: {reason}", field=place)
