"""The settings: the only reader of the environment. Every variable begins with `TIDINGS_`."""

import difflib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic
from limits import parse as parse_rate
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tidings.core.errors import ConfigurationError
from tidings.core.integrations import IntegrationSpec, installed_providers, parse_integrations
from tidings.core.logs import LogFormat
from tidings.core.models import OWN_CHANNELS

PREFIX = "TIDINGS_"
#: variables of our own tests, never settings
TEST_PREFIX = "TIDINGS_TEST_"
#: what is said where there is to be no limit
NO_LIMIT = "off"

_FIXES: Mapping[str, str] = {
    "database_url": "use sqlite:///tidings.db, sqlite:// (in memory) or postgresql://user@host/name",
    "redis_url": "use redis://host:6379/0, rediss://… or unix:///path/to/socket",
    "port": "use a free port from 1 to 65535; 0 lets the system choose",
    "backlog_limit": "use a number of rows, such as 1000000",
    "retention_days": "use a number of days from 8 to 36500, such as 90, or off for ever",
    "long_retention_days": "use a number of days from 8 to 36500, such as 730, or off for ever",
    "register_rate": "use a form like 60/minute, or off for no limit",
    "templates": "name a folder that exists, with <key>/email.txt in it",
    "email_provider": "use smtp, or a list like smtp, http or east=smtp*80, west=smtp*20",
    "bus_channels": "use USER_CHANNEL, or channels of your own, comma separated",
    "log_level": "use debug, info, warning or error",
    "beat_seconds": "a beat must come at least twice in a lease",
    "drain_seconds": "use at most 6, so that the process ends within 10",
    "linger_seconds": "use 0 to 3, so that the process ends within 10",
    "health_port": "use a free port from 1 to 65535; 0 lets the system choose",
    "log_format": "use auto, console or json",
}


def _names(value: object) -> object:
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


def _none_if_off(value: object) -> object:
    return None if value == NO_LIMIT else value


Names = Annotated[tuple[str, ...], NoDecode, pydantic.BeforeValidator(_names)]
Seconds = Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)]
#: None: for ever
Days = Annotated[
    int | None, pydantic.Field(ge=8, le=36_500), pydantic.BeforeValidator(_none_if_off)
]


class Settings(BaseSettings):
    """What an operator may choose; each field is the variable `TIDINGS_<FIELD>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    database_url: str = pydantic.Field(default="sqlite:///tidings.db", repr=False)
    #: None: the in-memory bus, for one process
    redis_url: str | None = pydantic.Field(default=None, repr=False)
    host: str = "127.0.0.1"
    port: Annotated[int, pydantic.Field(ge=0, le=65535)] = 8000
    #: where a worker tells of its health; 0 lets the system choose
    health_port: Annotated[int, pydantic.Field(ge=0, le=65535)] = 0
    #: where the command line finds the system; None: on this machine, at `port`
    url: str | None = None
    #: the key the command line sends
    api_key: str | None = pydantic.Field(default=None, repr=False)
    #: answer other machines though no key is configured
    allow_unauthenticated: bool = False
    #: proxies whose X-Forwarded-For is believed, comma separated addresses
    trusted_proxies: Names = ()
    #: modules whose workflows are registered at start, comma separated
    workflows: Names = ()
    #: a folder of templates, loaded over the built-in ones
    templates: pydantic.DirectoryPath | None = None
    #: bus channels the notification worker reads, comma separated
    bus_channels: Names = ("USER_CHANNEL",)
    #: the integrations for e-mail, comma separated
    email_provider: str = "console"
    email_from: str = "Tidings <tidings@localhost>"
    #: registrations a client may ask for, like 60/minute; off: no limit
    register_rate: str = "60/minute"
    #: rows that may wait to be planned or sent; above it nothing new is accepted
    backlog_limit: Annotated[int, pydantic.Field(ge=1)] = 1_000_000
    #: how long finished events are kept, with all they led to; off: for ever
    retention_days: Days = 90
    #: how long dead letters, feeds, figures and the audit are kept: never shorter; off: for ever
    long_retention_days: Days = 730
    log_format: LogFormat = "auto"
    log_level: Annotated[str, pydantic.Field(pattern="^(?i:debug|info|warning|error)$")] = "info"
    #: how long a worker sleeps when no bell rings
    poll_seconds: Seconds = 1.0
    #: how long a claimed delivery is a worker's own, and how often it says that it lives
    lease_seconds: Seconds = 10.0
    beat_seconds: Seconds = 3.0
    #: deliveries a channel worker has under way at once
    slots: Annotated[int, pydantic.Field(ge=1, le=10_000)] = 100
    #: how long what is in hand may take after SIGTERM
    drain_seconds: Annotated[float, pydantic.Field(gt=0, le=6)] = 6.0
    #: how long an API that is to stop answers on, while its readiness sends callers elsewhere
    linger_seconds: Annotated[float, pydantic.Field(ge=0, le=3)] = 0.0

    @pydantic.field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite://", "postgresql://", "postgres://")):
            raise ValueError("no such kind of database")
        return value

    @pydantic.field_validator("redis_url")
    @classmethod
    def _known_bus(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("not the address of a Redis")
        return value

    @pydantic.field_validator("register_rate")
    @classmethod
    def _known_rate(cls, value: str) -> str:
        if value != NO_LIMIT and parse_rate(value).amount < 1:
            raise ValueError("it would refuse everybody")
        return value

    @pydantic.field_validator("email_provider")
    @classmethod
    def _integrations(cls, value: str) -> str:
        try:
            specs = parse_integrations(value)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error
        for spec in specs:
            taken = _setting_like(f"{PREFIX}{spec.name.upper()}_")
            if taken:
                raise ValueError(f"the options of {spec.name} would begin like {taken}: rename it")
        return value

    @pydantic.field_validator("bus_channels")
    @classmethod
    def _channels_of_others(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or OWN_CHANNELS & set(value):
            raise ValueError(f"it must name channels, none of {', '.join(sorted(OWN_CHANNELS))}")
        return value

    @pydantic.field_validator("beat_seconds")
    @classmethod
    def _beat_within_lease(cls, value: float, info: pydantic.ValidationInfo) -> float:
        if value * 2 > info.data.get("lease_seconds", value * 2):
            raise ValueError("it is more than half of TIDINGS_LEASE_SECONDS")
        return value

    @property
    def database_name(self) -> str:
        """What is kept where, in words without a password."""
        if self.uses_sqlite:
            return str(self.sqlite_path or "memory, and gone when this ends")
        from sqlalchemy.engine import make_url  # takes long, and most commands need no database

        return make_url(self.database_url).render_as_string(hide_password=True)

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None for one in memory. Only where `uses_sqlite`."""
        name = self.database_url.removeprefix("sqlite://").removeprefix("/")
        return Path(name) if name and name != ":memory:" else None

    @property
    def uses_sqlite(self) -> bool:
        """Whether everything runs in one process on one file."""
        return self.database_url.startswith("sqlite://")

    @property
    def email_integrations(self) -> tuple[IntegrationSpec, ...]:
        """Who carries e-mail, in order."""
        return parse_integrations(self.email_provider)

    def provider_options(self, integration: str) -> Mapping[str, str]:
        """The options of an integration: its variables, without the prefix and in lower case.

        Those of `smtp_2` are none of `smtp`, where both are set up.
        """
        prefix = f"{PREFIX}{integration.upper()}_"
        names = [spec.name for spec in self.email_integrations if spec.name != integration]
        others = [f"{PREFIX}{name.upper()}_" for name in names]
        longer = tuple(other for other in others if other.startswith(prefix))
        return {
            name.removeprefix(prefix).lower(): value
            for name, value in os.environ.items()
            if name.startswith(prefix) and not name.startswith(longer)
        }


def load_settings(**overrides: object) -> Settings:
    """The settings of this process; knows the installed providers' options too."""
    return read_settings(providers=installed_providers(), **overrides)


def read_settings(*, providers: tuple[str, ...] = (), **overrides: Any) -> Settings:
    """Read the environment, with `overrides` on top.

    `providers` are the installed ones: their variables are options, like those of the integrations;
    any other unknown is refused. Raises ConfigurationError naming the variable and the fix.
    """
    try:
        settings = Settings(**overrides)
    except pydantic.ValidationError as error:
        raise ConfigurationError(_sentence(error)) from None
    _refuse_unknown([*providers, *(spec.name for spec in settings.email_integrations)])
    return settings


def _setting_like(prefix: str) -> str | None:
    """A setting that begins like the options of some name would."""
    known = [*_known(), TEST_PREFIX]
    return next((name for name in known if name.startswith(prefix)), None)


def _known() -> list[str]:
    return [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]


def _refuse_unknown(names: Sequence[str]) -> None:
    known = _known()
    prefixes = (TEST_PREFIX, *(f"{PREFIX}{name.upper()}_" for name in names))
    for name in os.environ:
        if name.startswith(PREFIX) and name not in known and not name.startswith(prefixes):
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "unset it."
            raise ConfigurationError(f"{name} is not a setting: {hint}")


def _sentence(error: pydantic.ValidationError) -> str:
    finding = error.errors(include_url=False)[0]
    field = str(finding["loc"][0]) if finding["loc"] else ""
    what = str(finding["msg"]).removeprefix("Value error, ")
    fix = _FIXES.get(field, "see the settings page")
    return f"{PREFIX}{field.upper()} is wrong ({what}): {fix}."
