"""How a message is to be sent when sending goes wrong: values that travel with each delivery."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from tidings.core.rules import Rule

#: seconds: nobody may ask to be left alone for longer, and no wait becomes longer by chance
LONGEST_PAUSE = 86_400.0


class OnUnknown(StrEnum):
    """What to do when a call's answer never came, so that it may or may not have been taken."""

    #: call again: at least once
    RETRY = "retry"
    #: ask the provider first, where it can answer; hold it where it can't
    CHECK = "check"
    #: call no more until a person decides: at most once
    HOLD = "hold"


class NoMore(StrEnum):
    """The rules by which there is no other try."""

    GAVE_UP = Rule.GAVE_UP.value
    TOO_OLD = Rule.TOO_OLD.value
    PERMANENT = Rule.PERMANENT.value
    REJECTED = Rule.REJECTED.value


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRule:
    """How often and how long to try; None leaves it to the channel. Times in seconds."""

    #: calls in all
    attempts: int | None = None
    #: since it was planned, or replayed last
    max_age: float | None = None
    #: the first wait, which doubles with each call, and the longest
    base: float | None = None
    cap: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SendPolicy:
    """What the workflow of a delivery wants."""

    on_unknown: OnUnknown = OnUnknown.RETRY
    retry: RetryRule | None = None
    #: when a person last began anew with it
    replayed_at: datetime | None = None

    @classmethod
    def of(cls, kept: Mapping[str, Any] | None) -> "SendPolicy":
        """From what a row keeps; nothing is the usual policy.

        What a newer release wrote is read as far as this one knows it, and else with caution.
        """
        if not kept:
            return USUAL
        wish, retry = kept.get("on_unknown", OnUnknown.RETRY), kept.get("retry") or {}
        known = {name: retry[name] for name in RetryRule.__slots__ if name in retry}
        replayed_at = kept.get("replayed_at")
        return cls(
            on_unknown=OnUnknown(wish) if wish in set(OnUnknown) else OnUnknown.HOLD,
            retry=RetryRule(**known) if known else None,
            replayed_at=datetime.fromisoformat(replayed_at) if replayed_at else None,
        )

    @property
    def kept(self) -> Mapping[str, Any] | None:
        """As a row keeps it, in what JSON knows: None for the usual one."""
        if self == USUAL:
            return None
        since = {} if self.replayed_at is None else {"replayed_at": self.replayed_at.isoformat()}
        return {"on_unknown": self.on_unknown, "retry": self.retry and asdict(self.retry), **since}


USUAL = SendPolicy()

#: the two that `called_off` chooses from, for those who choose in SQL
NOT_SENT = "It was called off before it was sent."
PERHAPS_SENT = "It was called off, but an earlier call of it may have arrived."


def called_off(*, doubt: bool) -> str:
    """Why what was called off is not sent; `doubt` where a call of it may have been taken."""
    return PERHAPS_SENT if doubt else NOT_SENT


#: what every other reason not to call says besides, where a call may have been taken
PERHAPS_ARRIVED = "An earlier call of it may have arrived."


def with_doubt(reason: str, *, doubt: bool) -> str:
    """Why there is no call; with `doubt` not as if there had been none."""
    return f"{reason} {PERHAPS_ARRIVED}" if doubt else reason


#: why it is not sent; the time goes into the gap
OUT_OF_DATE = "It was of use until %s UTC only."


def out_of_date(expires_at: datetime | None, at: datetime, *, doubt: bool = False) -> str | None:
    """Why it is not sent at that moment, if it is of no use to anybody by then."""
    if expires_at is None or at < expires_at:
        return None
    return with_doubt(OUT_OF_DATE % f"{expires_at:%Y-%m-%d %H:%M:%S}", doubt=doubt)
