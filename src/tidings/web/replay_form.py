"""The forms that replay dead letters: what the page itself would not send is refused.

A misspelt filter would replay all instead of some.
"""

from collections.abc import Iterable, Mapping

from tidings.core.errors import InvalidInput

#: what a letter is found by
FILTERS = ("reason", "kind", "workflow", "channel", "provider", "user_id")
#: where a page of them begins
BEFORE = "before"

_IN_DOUBT, _ALL, _TICKED = "in_doubt", "all", "yes"


def require_known(names: Iterable[str], *known: str) -> None:
    """Raises InvalidInput for what is none of these."""
    for name in names:
        if name not in known:
            raise InvalidInput(f"{name} is nothing that can be asked here", field=name)


def require_one(fields: Mapping[str, str]) -> None:
    """Raises InvalidInput unless it is the form of one letter."""
    require_known(fields, _IN_DOUBT)


def require_choice(fields: Mapping[str, str]) -> None:
    """Raises InvalidInput unless the form names some letters, or says that it means all."""
    require_known(fields, *FILTERS, BEFORE, _IN_DOUBT, _ALL)
    named = [name for name in FILTERS if name in fields]
    for name in named:
        if not fields[name].strip(" "):
            raise InvalidInput(f"{name} is empty: leave it out", field=name)
    if _is_ticked(fields, _ALL) == bool(named):
        raise InvalidInput(
            f"give either {', '.join(FILTERS)}, or {_ALL}={_TICKED} for every dead letter",
            field=_ALL,
        )


def is_in_doubt(fields: Mapping[str, str]) -> bool:
    """Whether those in doubt are meant too. Raises InvalidInput for what is not the tick's own."""
    return _is_ticked(fields, _IN_DOUBT)


def _is_ticked(fields: Mapping[str, str], name: str) -> bool:
    value = fields.get(name)
    if value not in (None, _TICKED):
        raise InvalidInput(f"{name} is {_TICKED}, or left out", field=name)
    return value is not None
