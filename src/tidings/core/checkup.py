"""What a check of an installation finds; the checks themselves stand beside their parts."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: seconds two clocks may be apart before it is worth a word, and before times in answers mislead
SKEW_WARNING, SKEW_FAILURE = 1.0, 30.0


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check."""

    check: str
    level: Level
    found: str
    #: what to do about it, in one sentence; empty where nothing is to be done
    remedy: str = ""


def ok(check: str, found: str) -> Finding:
    """All is well, or a fact worth knowing."""
    return Finding(check=check, level=Level.OK, found=found)


def warning(check: str, found: str, remedy: str) -> Finding:
    """It works, and something is at stake."""
    return Finding(check=check, level=Level.WARNING, found=found, remedy=remedy)


def failure(check: str, found: str, remedy: str) -> Finding:
    """It does not work, or loses what was accepted."""
    return Finding(check=check, level=Level.FAILURE, found=found, remedy=remedy)


def clock_finding(check: str, *, asked: datetime, answered: datetime, theirs: datetime) -> Finding:
    """How far another machine's clock is from ours, as far as its answer's way lets us know."""
    half_way = (answered - asked) / 2
    apart = (theirs - (asked + half_way)).total_seconds()
    surely = abs(apart) - half_way.total_seconds()
    found = f"{abs(apart):.3f} s {'ahead of' if apart > 0 else 'behind'} this machine's"
    remedy = "let a time service (chrony, systemd-timesyncd) set the clocks of both machines"
    if surely > SKEW_FAILURE:
        return failure(check, found, remedy)
    if surely > SKEW_WARNING:
        return warning(check, found, remedy)
    return ok(check, found)
