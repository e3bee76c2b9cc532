"""The bus's times and limits; the defaults suit production, tests take shorter ones."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How long the bus waits and how much it keeps; times in seconds."""

    #: how long one blocking read lies on the server
    block: float = 2.0
    #: how long two reads are apart at least, so that a rush comes in few of them
    breath: float = 0.005
    #: how often a member says that what is in its hands is being worked on
    beat: float = 3.0
    #: a member silent for so long is dead, and others take its work over
    lapse: float = 10.0
    #: how often entries that every group has acknowledged are freed
    sweep: float = 2.0
    #: how long one command may take before the bus counts as unreachable
    patience: float = 5.0
    #: how long entries are kept for a group that does not acknowledge them
    retention: float = 86_400.0
    #: a member that is gone and has nothing pending is forgotten after so long
    forget: float = 600.0
    #: first and longest pause after a failure
    pause: float = 0.1
    longest_pause: float = 2.0
    #: entries handed over at once
    batch: int = 100
    #: how often one entry is handed out before it is buried
    deliveries: int = 5
    #: entries published between two sweeps at most
    sweep_entries: int = 500
    #: entries kept on a channel without groups, about
    keep: int = 1_000
    #: entries kept on any channel, about
    most: int = 1_000_000
