"""Checks of the Redis that carries the bus: nothing is made, read for good, or acknowledged."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tidings.core.checkup import Finding, clock_finding, failure, ok, warning
from tidings.core.clock import Clock
from tidings.core.errors import TidingsError
from tidings.event_bus.entries import pairs
from tidings.event_bus.link import Link

REACHABLE = "Redis"
#: the first with what the bus asks for
OLDEST = (6, 2)
#: seconds one answer may take, and for which an entry may be in a member's hands unquestioned
PATIENCE, OLD_ENTRY = 5.0, 60.0
#: the part of maxmemory in use above which it is worth a word
NEARLY_FULL = 0.8

Info = Mapping[str, Any]


async def check_up(
    url: str,
    *,
    groups: Mapping[str, Sequence[str]],
    clock: Clock,
    old_entry: float = OLD_ENTRY,
) -> Sequence[Finding]:
    """Everything worth saying about the Redis of a URL and the `groups` of each bus channel."""
    try:
        link = Link(url, patience=PATIENCE)
    except ValueError:
        return [failure(REACHABLE, "TIDINGS_REDIS_URL is no address of a Redis", _ADDRESS)]
    try:
        return await _examine(link, groups, clock, old_entry)
    except TidingsError as error:
        return [failure(REACHABLE, str(error), "start it, or mend TIDINGS_REDIS_URL")]
    finally:
        await link.aclose()


_ADDRESS = "use redis://host:6379/0, rediss://… or unix:///path/to/socket"


def judge(info: Info) -> list[Finding]:
    """What is to be said of what INFO tells."""
    rules: Sequence[Callable[[Info], Finding]] = (_version, _eviction, _appending, _memory)
    return [rule(info) for rule in rules]


async def _examine(
    link: Link, groups: Mapping[str, Sequence[str]], clock: Clock, old_entry: float
) -> list[Finding]:
    asked = clock.now()
    theirs = _time(await link.command("TIME"))
    answered = clock.now()
    milliseconds = (answered - asked).total_seconds() * 1000
    return [
        ok(REACHABLE, f"answers in {milliseconds:.0f} ms"),
        *judge(await link.command("INFO")),
        clock_finding("Redis clock", asked=asked, answered=answered, theirs=theirs),
        *[
            await _channel(link, channel, declared, theirs, old_entry)
            for channel, declared in groups.items()
        ],
    ]


def _time(answer: tuple[int, int]) -> datetime:
    return datetime.fromtimestamp(answer[0] + answer[1] / 1_000_000, tz=UTC)


def _version(info: Info) -> Finding:
    check, found = "Redis version", str(info["redis_version"])
    if tuple(int(part) for part in found.split(".")[:2]) < OLDEST:
        return failure(check, found, "upgrade it to 6.2 or newer")
    return ok(check, found)


def _eviction(info: Info) -> Finding:
    check, policy = "maxmemory-policy", str(info.get("maxmemory_policy", "unknown"))
    remedy = "set maxmemory-policy noeviction"
    if policy.startswith("allkeys"):
        return failure(check, f"{policy}: it throws away events nobody has read", remedy)
    if policy != "noeviction":
        return warning(check, policy, remedy)
    return ok(check, policy)


def _appending(info: Info) -> Finding:
    if info.get("aof_enabled"):
        return ok("appendonly", "yes")
    return warning(
        "appendonly",
        "no: a restart forgets events that other programs published and nobody has read",
        "set appendonly yes; what Tidings accepted is in the database and not at stake",
    )


def _memory(info: Info) -> Finding:
    check, used, most = "Redis memory", int(info["used_memory"]), int(info.get("maxmemory", 0))
    if not most:
        return ok(check, f"{used / 1024**2:.0f} MiB, without a limit")
    found = f"{used / 1024**2:.0f} of {most / 1024**2:.0f} MiB"
    if used > most * NEARLY_FULL:
        return warning(check, found, "raise maxmemory; a full Redis takes no events")
    return ok(check, found)


async def _channel(
    link: Link, channel: str, declared: Sequence[str], now: datetime, old_entry: float
) -> Finding:
    check = f"bus channel {channel}"
    kind = await link.command("TYPE", channel)
    if kind == b"none":
        return ok(check, "nothing was published yet")
    known = dict(await _pending(link, channel))
    missing = [group for group in declared if group not in known]
    if missing:
        return warning(
            check,
            f"group {', '.join(missing)} is missing; the next event published makes it again",
            "find out what removed it: a flush, an eviction or XGROUP DESTROY",
        )
    stuck = [group for group in known if await _is_old(link, channel, group, now, old_entry)]
    if stuck:
        return warning(
            check,
            f"group {', '.join(stuck)} has had entries in hand for over {old_entry:.0f} s",
            "see that its workers run and what their logs say, or XGROUP DESTROY it "
            "if nobody reads it any more",
        )
    return ok(check, ", ".join(f"{group}: {known[group]} in hand" for group in declared))


async def _pending(link: Link, channel: str) -> list[tuple[str, int]]:
    groups = [pairs(flat) for flat in await link.command("XINFO", "GROUPS", channel)]
    return [(_text(each[b"name"]), int(each[b"pending"])) for each in groups]


async def _is_old(link: Link, channel: str, group: str, now: datetime, old_entry: float) -> bool:
    """Whether the oldest entry in hand was published long ago, as its id tells."""
    first = (await link.command("XPENDING", channel, group))["min"]
    if not first:
        return False
    published = int(_text(first).partition("-")[0]) / 1000
    return bool(now.timestamp() - published > old_entry)


def _text(value: bytes) -> str:
    return value.decode(errors="replace")
