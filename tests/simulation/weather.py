"""What goes wrong in a run, and how often: drawn from its seed."""

from dataclasses import dataclass, fields
from enum import StrEnum
from random import Random

#: seconds a run's troubles last, and how long after them everything must have ended
TROUBLE_SECONDS = 6.0
CALM_SECONDS = 60.0


class Fate(StrEnum):
    """What becomes of one call to a server."""

    PROMPT = "prompt"
    #: it arrives late, or its answer does
    LATE = "late"
    #: it never arrives, and the caller is told
    REFUSED = "refused"
    #: it is done, and the caller is told that it failed
    LOST = "lost"
    #: the caller dies before it arrives
    DIES_BEFORE = "dies before"
    #: the caller dies while it is on its way or being answered
    DIES_AFTER = "dies after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The share of calls that meet each fate; the rest is prompt."""

    late: float = 0.0
    refused: float = 0.0
    lost: float = 0.0
    dies_before: float = 0.0
    dies_after: float = 0.0

    def draw(self, random: Random) -> Fate:
        """The fate of one call."""
        chance = random.random()
        for field in fields(self):
            chance -= getattr(self, field.name)
            if chance < 0:
                return Fate[field.name.upper()]
        return Fate.PROMPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendor:
    """The share of provider calls that end in each way; the rest is taken and answered."""

    transient: float = 0.0
    #: transient, with a time not to come before
    busy: float = 0.0
    permanent: float = 0.0
    rejected: float = 0.0
    #: taken, and the answer never comes
    swallowed: float = 0.0
    #: not taken, and nobody can tell
    vanished: float = 0.0
    #: taken at once, answered when leases have long run out
    slow: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """One run's troubles. Most runs have few kinds of them, so that none hides behind another."""

    store: Odds
    bus: Odds
    vendor: Vendor
    #: how many times each of these strikes
    kills: int
    stalls: int
    stops: int
    bus_losses: int
    vendor_outages: int
    database_outages: int
    replans: int


def draw_weather(random: Random) -> Weather:
    """The weather of one run."""

    def share(*shares: float) -> float:
        return random.choice(shares) if random.random() < 0.4 else 0.0

    def times(most: int) -> int:
        return random.randint(1, most) if random.random() < 0.35 else 0

    return Weather(
        store=Odds(
            late=share(0.05, 0.2),
            refused=share(0.02, 0.1),
            lost=share(0.02, 0.1),
            dies_before=share(0.01, 0.03),
            dies_after=share(0.01, 0.03),
        ),
        bus=Odds(late=share(0.2), refused=share(0.1, 0.5), lost=share(0.1, 0.5)),
        vendor=Vendor(
            transient=share(0.1, 0.4),
            busy=share(0.1, 0.3),
            permanent=share(0.1),
            rejected=share(0.1),
            swallowed=share(0.1, 0.3),
            vanished=share(0.1, 0.3),
            slow=share(0.1, 0.4),
        ),
        kills=times(3),
        stalls=times(2),
        stops=times(2),
        bus_losses=times(2),
        vendor_outages=times(1),
        database_outages=times(1),
        replans=times(2),
    )
