"""Integrations: configured accounts of providers, as a setting names them and the engine has them.

`smtp` · `smtp, http` (in that order) · `east=smtp*80, west=smtp*20` (by weight).
"""

import re
from dataclasses import dataclass
from importlib.metadata import entry_points

from tidings.core.errors import ConfigurationError
from tidings.core.ports import Provider

PROVIDER_GROUP = "tidings.providers"
"""The entry point group of providers: each is named like the setting's value, loads a `Build`."""

_ENTRY = re.compile(
    r"(?:(?P<name>[^=*\s]+)\s*=\s*)?(?P<provider>[^=*\s]+)(?:\s*\*\s*(?P<weight>\d+))?"
)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationSpec:
    """One entry of the setting."""

    #: its options begin with it: TIDINGS_<NAME>_
    name: str
    provider: str
    #: its part of the calls, in proportion to the others'; None where the order decides
    weight: int | None = None


#: more says nothing that less could not
_HEAVIEST = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the engine keeps to with one integration, whatever its provider; None: no limit."""

    #: calls a second, all workers together
    rate: float | None = None
    #: calls at once, all workers together
    concurrency: int | None = None
    #: seconds within which a vendor that took a message confirms its delivery
    receipt_seconds: float | None = None
    #: a call that takes longer is slow
    slow_seconds: float = 5.0


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """One configured account of a provider, ready to be called."""

    name: str
    provider: Provider
    limits: Limits = UNLIMITED
    weight: int | None = None


def parse_integrations(text: str) -> tuple[IntegrationSpec, ...]:
    """What the setting lists; raises ConfigurationError that says which entry is wrong, and why."""
    specs = tuple(_spec(entry.strip()) for entry in text.split(",") if entry.strip())
    if not specs:
        raise ConfigurationError("it names no provider")
    _refuse_doubles(specs)
    _refuse_half_weighted(specs)
    return specs


def _spec(entry: str) -> IntegrationSpec:
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise ConfigurationError(f"{entry!r} is neither provider nor name=provider nor …*weight")
    name, weight = found["name"] or found["provider"], found["weight"]
    if _NAME.fullmatch(name) is None:
        raise ConfigurationError(f"the name {name!r} is not made of a-z, 0-9 and _")
    return IntegrationSpec(
        name=name, provider=found["provider"], weight=None if weight is None else int(weight)
    )


def _refuse_doubles(specs: tuple[IntegrationSpec, ...]) -> None:
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"two entries have the name {name}: write other=… for one")


def _refuse_half_weighted(specs: tuple[IntegrationSpec, ...]) -> None:
    weights = [spec.weight for spec in specs if spec.weight is not None]
    if weights and len(weights) < len(specs):
        raise ConfigurationError("either every entry has a weight or none has")
    if weights and max(weights) > _HEAVIEST:
        raise ConfigurationError(f"a weight is at most {_HEAVIEST}")
    if weights and sum(weights) == 0:
        raise ConfigurationError("every weight is 0, so that nobody would be called")


def installed_providers() -> tuple[str, ...]:
    """The names of all installed providers, in order."""
    return tuple(sorted({entry.name for entry in entry_points(group=PROVIDER_GROUP)}))
