"""The clock is handed over, so that tests can move it."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time; `shift` is what a database adds to its own clock to agree."""

    @property
    def shift(self) -> timedelta:
        """How far this clock is ahead of the machine's."""
        ...

    def now(self) -> datetime:
        """This moment, in UTC."""
        ...


class SystemClock:
    """The machine's clock, in UTC."""

    @property
    def shift(self) -> timedelta:
        """Nothing: the database's clock is taken as it is."""
        return timedelta(0)

    def now(self) -> datetime:
        """This moment, in UTC."""
        return datetime.now(UTC)


def moment(at: datetime, now: datetime) -> str:
    """A moment in UTC for a sentence, with its date where that is another than today's."""
    form = "%H:%M:%S UTC" if at.date() == now.date() else "%Y-%m-%d %H:%M:%S UTC"
    return at.strftime(form)
