"""Finds providers: any installed package may offer one under `tidings.providers`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points

from tidings.channels.naming import Named
from tidings.core.checkup import Finding
from tidings.core.clock import Clock, SystemClock
from tidings.core.errors import ConfigurationError
from tidings.core.integrations import PROVIDER_GROUP, installed_providers
from tidings.core.ports import FeedWriter, OutboxWriter, Provider

CHECKUPS = "tidings.checkups"
"""The entry point group of checks; an entry is named like its provider and loads a `CheckUp`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderPorts:
    """What the house hands to a provider, so that none reaches for it itself."""

    outbox: OutboxWriter
    feed: FeedWriter
    #: the sender of e-mail: `Shop <news@shop.example>` or the bare address
    email_from: str
    clock: Clock = field(default_factory=SystemClock)
    #: for what a provider says once it runs; the errors of `build` are renamed anyway
    named: Named = str


Build = Callable[[Mapping[str, str], ProviderPorts], Provider]
"""Makes a provider of its options; raises ConfigurationError. Connects to nothing yet."""

CheckUp = Callable[[Mapping[str, str]], Awaitable[Sequence[Finding]]]
"""Tells whether a provider's vendor takes us, by its options; sends no message."""


def load_provider(
    name: str,
    options: Mapping[str, str],
    ports: ProviderPorts,
    *,
    setting: str = "TIDINGS_EMAIL_PROVIDER",
) -> Provider:
    """Build the provider of that name. Raises ConfigurationError naming `setting` and the fix."""
    build = _load(_entry(name, setting), setting)
    return build(options, ports)


def load_checkup(name: str) -> CheckUp | None:
    """The check that comes with a provider, if it has one."""
    for entry in entry_points(group=CHECKUPS, name=name):
        check_up: CheckUp = entry.load()
        return check_up
    return None


def _entry(name: str, setting: str) -> EntryPoint:
    for entry in entry_points(group=PROVIDER_GROUP, name=name):
        return entry
    installed = ", ".join(installed_providers()) or "none"
    raise ConfigurationError(
        f"{setting} names the provider {name!r}, which is not installed: "
        f"use one of those that are ({installed}), or install the package that offers it."
    )


def _load(entry: EntryPoint, setting: str) -> Build:
    try:
        build: Build = entry.load()
    except Exception as error:  # whatever a stranger's module raises while it is imported
        raise ConfigurationError(
            f"{setting} names the provider {entry.name!r}, which can't be loaded from "
            f"{entry.value} ({type(error).__name__}: {error}): mend or reinstall its package."
        ) from error
    return build
