"""Clocks that tests move by hand."""

from datetime import UTC, datetime, timedelta


class MovableClock:
    """The machine's clock, ahead of it by as much as a test says."""

    def __init__(self) -> None:
        self._shift = timedelta(0)

    @property
    def shift(self) -> timedelta:
        """How far this clock is ahead of the machine's."""
        return self._shift

    def now(self) -> datetime:
        """This moment on this clock, in UTC."""
        return datetime.now(UTC) + self._shift

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move on by so much, and run on from there."""
        self._shift += timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


class StoppedClock(MovableClock):
    """Stands still but for what a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self._since = datetime.now(UTC)

    def now(self) -> datetime:
        """The moment it was made, and as much later as a test says."""
        return self._since + self.shift
