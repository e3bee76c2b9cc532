"""`Workflow`: what to do when an event arrives. Data, written in Python, kept as JSON."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Annotated, Any, Literal, Self

import orjson
import pydantic
from pydantic.dataclasses import dataclass

from tidings.core.models import IN_APP
from tidings.core.names import CHANNEL, KEY
from tidings.core.policy import USUAL, OnUnknown, RetryRule, SendPolicy
from tidings.notifications.fields import EVENT_TYPE

Key = Annotated[str, pydantic.Field(pattern=f"^{KEY}$")]
EventType = Annotated[str, pydantic.Field(pattern=EVENT_TYPE)]
Channel = Annotated[str, pydantic.Field(pattern=f"^{CHANNEL}$")]


def _whole(value: object) -> object:
    """To JSON, 2.0 is an integer like any other."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Amount = Annotated[int, pydantic.Field(ge=0, le=100_000_000), pydantic.BeforeValidator(_whole)]
#: up to a year and a day
Seconds = Annotated[int, pydantic.Field(ge=1, le=31_622_400), pydantic.BeforeValidator(_whole)]
Attempts = Annotated[int, pydantic.Field(ge=1, le=1000), pydantic.BeforeValidator(_whole)]


def _require_kind(schema: dict[str, Any]) -> None:
    required = schema.setdefault("required", [])
    schema["required"] = [*(name for name in required if name != "kind"), "kind"]


_PLAIN = pydantic.ConfigDict(
    extra="forbid", strict=True, json_schema_serialization_defaults_required=True
)
_STRICT = _PLAIN | pydantic.ConfigDict(json_schema_extra=_require_kind)
_LONGEST = timedelta(days=366)


@dataclass(frozen=True, config=_STRICT)
class ChannelStep:
    """Send a template to every address the user has on a channel.

    After `expires_after` seconds it is of no use any more. They count from the time of the event,
    or, after delays, from when these should be over.
    """

    channel: Channel
    template: Key
    expires_after: Seconds | None = dataclasses.field(default=None, kw_only=True)
    kind: Literal["channel"] = dataclasses.field(default="channel", kw_only=True)


@dataclass(frozen=True, config=_STRICT)
class Delay:
    """Wait so long before the next step; at most 366 days."""

    days: Amount = 0
    hours: Amount = 0
    minutes: Amount = 0
    seconds: Amount = 0
    kind: Literal["delay"] = dataclasses.field(default="delay", kw_only=True)

    @property
    def duration(self) -> timedelta:
        """The whole wait."""
        return timedelta(
            days=self.days, hours=self.hours, minutes=self.minutes, seconds=self.seconds
        )

    @property
    def in_words(self) -> str:
        """The whole wait as a person would say it: `7 days`, `1 day 2 hours`."""
        hours, seconds = divmod(self.duration.seconds, 3600)
        parts = {
            "day": self.duration.days,
            "hour": hours,
            "minute": seconds // 60,
            "second": seconds % 60,
        }
        return " ".join(
            f"{count} {unit}{'' if count == 1 else 's'}" for unit, count in parts.items() if count
        )

    @pydantic.model_validator(mode="after")
    def _reasonable(self) -> "Delay":
        if not timedelta(0) < self.duration <= _LONGEST:
            raise ValueError("a delay must be longer than nothing and at most 366 days")
        return self


Step = Annotated[ChannelStep | Delay, pydantic.Field(discriminator="kind")]


@dataclass(frozen=True, config=_PLAIN)
class Retry:
    """How often and how long to try: what is left out is as usual for the channel.

    Times are in seconds. With `attempts` or `max_age` neither of the channel's own bounds counts.
    """

    _: dataclasses.KW_ONLY
    #: calls in all
    attempts: Attempts | None = None
    #: since it was planned, or replayed last
    max_age: Seconds | None = None
    #: the first wait, which doubles with each call, and the longest
    base: Seconds | None = None
    cap: Seconds | None = None

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> "Retry":
        if self.base is not None and self.cap is not None and self.cap < self.base:
            raise ValueError("cap is the longest wait: it can't be shorter than base, the first")
        return self


def Email(  # noqa: N802 (reads as what it makes: a step)
    template: str, *, expires_after: int | None = None
) -> ChannelStep:
    """Send a template by e-mail."""
    return ChannelStep("email", template, expires_after=expires_after)


def InApp(  # noqa: N802 (reads as what it makes: a step)
    template: str, *, expires_after: int | None = None
) -> ChannelStep:
    """Put a template into the user's feed."""
    return ChannelStep(IN_APP, template, expires_after=expires_after)


def _ends_with_a_message(steps: Sequence[Step]) -> Sequence[Step]:
    if isinstance(steps[-1], Delay):
        raise ValueError("the last step must not be a delay: nothing would come of it")
    return tuple(steps)


class Definition(pydantic.BaseModel):
    """What a workflow says, whatever its key."""

    model_config = pydantic.ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_serialization_defaults_required=True,
    )

    #: the type of the events it listens to
    on: EventType
    steps: Annotated[
        Sequence[Step],
        pydantic.Field(min_length=1, max_length=50),
        pydantic.AfterValidator(_ends_with_a_message),
    ]
    #: each user gets it at most once
    once: bool = False
    #: users can't opt out, and it goes before all else
    critical: bool = False
    #: what becomes of a message whose call got no answer: it may have been taken, or not
    on_unknown: Literal["retry", "check", "hold"] = "retry"
    #: None tries as is usual for the channel
    retry: Retry | None = None


class Workflow(Definition):
    """What to do when an event of a type arrives, under a key of its own.

    Raises pydantic.ValidationError, which names the field.
    """

    key: Key

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy, changed as `update` says; what was worked out before is worked out anew."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("version", "policy"):
            copied.__dict__.pop(name, None)
        return copied

    @property
    def content(self) -> dict[str, Any]:
        """What is kept: fields that came later only where they say something.

        So the workflows of an earlier release keep their versions, and can be read by it.
        """
        unsaid = {"on_unknown"} if self.on_unknown == "retry" else set()
        return self.model_dump(mode="json", exclude_none=True, exclude=unsaid)

    @cached_property
    def version(self) -> str:
        """A hash of the content: the same content, the same version."""
        content = orjson.dumps(self.content, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    @cached_property
    def policy(self) -> SendPolicy:
        """What each of its deliveries is told to do when sending goes wrong."""
        if self.on_unknown == "retry" and self.retry is None:
            return USUAL
        wanted = None if self.retry is None else RetryRule(**dataclasses.asdict(self.retry))
        return SendPolicy(on_unknown=OnUnknown(self.on_unknown), retry=wanted)
