"""What is wrong with an installation, told by its environment alone: nothing need be up.

Every check looks by a short connection of its own and changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tidings.api.access import is_loopback
from tidings.channels.email.addresses import sender
from tidings.channels.integrations import check_up, load_integration
from tidings.channels.registry import ProviderPorts
from tidings.core.checkup import Finding, failure, ok, warning
from tidings.core.clock import Clock, SystemClock
from tidings.core.errors import ConfigurationError
from tidings.core.integrations import IntegrationSpec
from tidings.core.models import Message
from tidings.notifications.workflows import load_modules
from tidings.settings import Settings, load_settings
from tidings.templates.service import read_templates
from tidings.wiring import bus_groups

SETTINGS = "settings"
Findings = Sequence[Finding]


async def examine(*, clock: Clock | None = None) -> Findings:
    """Every finding about this machine's installation; an error of ours is one, not a crash."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        return [failure(SETTINGS, str(error), "mend that variable, then ask again for the rest")]
    checks: Sequence[Callable[[Settings, Clock], Awaitable[Findings]]] = (
        _settings,
        _database,
        _redis,
        _integrations,
        _content,
        _door,
    )
    found = [await check(settings, clock or SystemClock()) for check in checks]
    return [finding for findings in found for finding in findings]


async def _settings(settings: Settings, _clock: Clock) -> Findings:
    findings = [ok(SETTINGS, "every variable is known and makes sense")]
    if settings.uses_sqlite and settings.redis_url is not None:
        findings.append(
            failure(
                "combination",
                "SQLite, which serves one process, with a Redis for several",
                "set TIDINGS_DATABASE_URL to a PostgreSQL, or unset TIDINGS_REDIS_URL",
            )
        )
    elif not settings.uses_sqlite and settings.redis_url is None:
        findings.append(
            warning(
                "combination",
                "PostgreSQL without Redis: only `tidings up` starts, as one process",
                "set TIDINGS_REDIS_URL to run services of their own",
            )
        )
    return findings


async def _database(settings: Settings, clock: Clock) -> Findings:
    if settings.uses_sqlite:
        from tidings.store.sqlite import checkup as sqlite_checkup

        return await asyncio.to_thread(sqlite_checkup.check_up, settings.sqlite_path)
    from tidings.store.postgres import checkup as postgres_checkup

    return await postgres_checkup.check_up(settings.database_url, clock=clock)


async def _redis(settings: Settings, clock: Clock) -> Findings:
    if settings.redis_url is None:
        return []
    from tidings.event_bus.checkup import check_up as check_up_redis

    findings = await check_up_redis(settings.redis_url, groups=bus_groups(settings), clock=clock)
    return [*findings, *password_findings(settings.redis_url)]


def password_findings(url: str) -> Findings:
    """Whether a Redis that others may reach is open to them."""
    try:
        parts = urlsplit(url)
        stranger = parts.scheme != "unix" and not is_loopback(parts.hostname or "localhost")
    except ValueError:
        return []
    if not stranger or parts.password or "password=" in parts.query:
        return []
    return [
        warning(
            "Redis password",
            f"none, at {parts.hostname}, which other machines may reach",
            "give Redis a password (requirepass or an ACL) and put it into TIDINGS_REDIS_URL",
        )
    ]


async def _integrations(settings: Settings, clock: Clock) -> Findings:
    found = [await _integration(spec, settings, clock) for spec in settings.email_integrations]
    return [finding for findings in found for finding in findings]


async def _integration(spec: IntegrationSpec, settings: Settings, clock: Clock) -> Findings:
    check = "e-mail provider"
    options = settings.provider_options(spec.name)
    ports = ProviderPorts(
        outbox=_take_nothing, feed=_take_nothing, email_from=settings.email_from, clock=clock
    )
    try:
        sender(settings.email_from)
        integration = load_integration(spec, options, ports, setting="TIDINGS_EMAIL_PROVIDER")
        await integration.provider.aclose()
        named = spec.name if spec.name == spec.provider else f"{spec.name}: {spec.provider}"
        return [ok(check, named), *await check_up(spec, options)]
    except ConfigurationError as error:
        return [failure(check, str(error), "mend that variable, then restart the channel workers")]


async def _take_nothing(message: Message) -> None:
    """The outbox and the feed of a provider that is only looked at."""


async def _content(settings: Settings, _clock: Clock) -> Findings:
    return await asyncio.to_thread(
        lambda: [_templates(settings.templates), _workflows(settings.workflows)]
    )


def _templates(folder: Path | None) -> Finding:
    check = "templates"
    if folder is None:
        return ok(check, "the built-in ones")
    try:
        return ok(check, f"{len(read_templates((folder,)))} in {folder}, over the built-in ones")
    except ConfigurationError as error:
        return failure(check, str(error), "mend that file, or name another folder")


def _workflows(modules: Sequence[str]) -> Finding:
    check = "workflows"
    if not modules:
        return ok(check, "the built-in ones, and those put over HTTP")
    try:
        return ok(check, f"{len(load_modules(modules))} in {', '.join(modules)}")
    except ConfigurationError as error:
        return failure(check, str(error), "mend that module, or start in the folder it lies in")


async def _door(settings: Settings, _clock: Clock) -> Findings:
    check, where = "open door", f"TIDINGS_HOST={settings.host}"
    if is_loopback(settings.host):
        return [ok(check, f"{where} lets in this machine alone")]
    if await _count_keys(settings):
        return [ok(check, f"{where} lets in other machines that have a key")]
    remedy = "make a key by `tidings keys create`, or set TIDINGS_HOST=127.0.0.1"
    refused = f"{where}, and as long as there is no key other machines are refused"
    if settings.allow_unauthenticated:
        return [warning(check, f"{where} lets in everybody who reaches it, without a key", remedy)]
    return [warning(check, refused, remedy)]


async def _count_keys(settings: Settings) -> int:
    if settings.uses_sqlite:
        from tidings.store.sqlite import checkup as sqlite_checkup

        return await asyncio.to_thread(sqlite_checkup.count_keys, settings.sqlite_path)
    from tidings.store.postgres import checkup as postgres_checkup

    return await postgres_checkup.count_keys(settings.database_url)
