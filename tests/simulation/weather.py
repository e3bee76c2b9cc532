"""What goes wrong in a run, and how often: drawn from its seed."""

from dataclasses import dataclass, fields
from random import Random

#: seconds a run's troubles last, and how long after them everything must have ended
TROUBLE_SECONDS = 5.0
CALM_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The share of cases for each thing that may go wrong; the rest goes well."""

    def draw(self, random: Random, scale: float = 1.0) -> str:
        """What happens this time: the name of a field, or nothing."""
        chance = random.random()
        for field in fields(self):
            chance -= getattr(self, field.name) * scale
            if chance < 0:
                return field.name
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking(Odds):
    """What may happen to a question on its way to a server."""

    late: float = 0.0
    #: it never arrives, and the caller is told
    refused: float = 0.0
    #: the caller dies before it arrives
    fatal: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answering(Odds):
    """What may happen when a server has done what it was asked."""

    late: float = 0.0
    #: the caller is told that it failed
    lost: float = 0.0
    #: the caller dies before it is told, or just after
    fatal: float = 0.0
    #: the caller stands still, often beyond its lease, and then gets the answer
    stunning: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calling(Odds):
    """How a call to the vendor may end; mostly it is taken and answered."""

    transient: float = 0.0
    #: transient, with a time not to come before
    busy: float = 0.0
    permanent: float = 0.0
    rejected: float = 0.0
    #: taken, and the answer never comes
    swallowed: float = 0.0
    #: not taken, and nobody can tell
    vanished: float = 0.0
    #: answered when a lease that nobody renews has long run out
    slow: float = 0.0
    #: the caller dies meanwhile, or stands still, or is asked to stop
    fatal: float = 0.0
    stunning: float = 0.0
    parting: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """One run's troubles. Most runs have few kinds of them, so that none hides behind another."""

    asking: Asking
    answering: Answering
    bus_asking: Asking
    bus_answering: Answering
    calling: Calling
    #: how many times each of these strikes
    kills: int
    stalls: int
    stops: int
    bus_losses: int
    vendor_outages: int
    database_outages: int
    replans: int
    #: everybody asks within a second
    rush: bool


#: share of the runs where the vendor is slow, and workers fall asleep over it or are well
_SLEEPY = 0.2


def _sleepy(random: Random) -> Weather:
    """What a lease and its beats are for, and nothing else."""
    stunning = random.choice((0.0, 0.0, 0.4, 0.5))
    return Weather(
        asking=Asking(),
        answering=Answering(stunning=stunning / 4),
        bus_asking=Asking(),
        bus_answering=Answering(),
        calling=Calling(slow=0.5, stunning=stunning),
        kills=0,
        stalls=0,
        stops=0,
        bus_losses=0,
        vendor_outages=0,
        database_outages=0,
        replans=0,
        rush=True,
    )


def draw_weather(random: Random) -> Weather:
    """The weather of one run; the database is well in some, the bus in most."""
    database_trouble = random.random() < 0.7

    def share(*shares: float, given: bool = True) -> float:
        return random.choice(shares) if given and random.random() < 0.4 else 0.0

    def times(most: int, *, given: bool = True) -> int:
        return random.randint(1, most) if given and random.random() < 0.35 else 0

    if random.random() < _SLEEPY:
        return _sleepy(random)
    return Weather(
        asking=Asking(
            late=share(0.05, 0.3, given=database_trouble),
            refused=share(0.1, 0.4, given=database_trouble),
            fatal=share(0.05, 0.1, given=database_trouble),
        ),
        answering=Answering(
            late=share(0.1, 0.3, given=database_trouble),
            lost=share(0.1, 0.3, given=database_trouble),
            fatal=share(0.05, 0.1, given=database_trouble),
            stunning=share(0.05, 0.2, given=database_trouble),
        ),
        bus_asking=Asking(late=share(0.2), refused=share(0.1, 0.5)),
        bus_answering=Answering(lost=share(0.1, 0.5)),
        calling=Calling(
            transient=share(0.1, 0.4),
            busy=share(0.1, 0.3),
            permanent=share(0.1),
            rejected=share(0.1),
            swallowed=share(0.1, 0.3),
            vanished=share(0.1, 0.3),
            slow=share(0.1, 0.4),
            fatal=share(0.1),
            stunning=share(0.1, 0.3),
            parting=share(0.1, 0.2),
        ),
        kills=times(3),
        stalls=times(2),
        stops=times(2),
        bus_losses=times(2),
        vendor_outages=times(1),
        database_outages=times(1, given=database_trouble),
        replans=times(2),
        rush=random.random() < 0.2,
    )
