"""One channel's entries in memory, and what each group has still to hear of them."""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import Counter

from tidings.core.models import Event
from tidings.core.ports import Received
from tidings.core.quiet_log import QuietLog


class Listener(Protocol):
    """Whoever waits for entries."""

    def ring(self) -> None:
        """There may be something to hear."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLimits:
    """How much the bus keeps and hands out."""

    #: entries handed over at once
    batch: int = 100
    #: how often one entry is handed out before it is buried
    deliveries: int = 5
    #: entries kept on a channel without groups, and heard ones kept for a slow watcher
    keep: int = 1_000
    #: entries kept on any channel; the oldest go first, loudly
    most: int = 100_000


@dataclass(slots=True)
class Entry:
    """An event on its channel."""

    event: Event
    #: the groups that have not settled it
    owed_to: set[str]


@dataclass(slots=True)
class Group:
    """What a group has still to hear, how often each entry was handed out, and its members."""

    waiting: OrderedDict[str, None] = field(default_factory=OrderedDict)
    counts: dict[str, int] = field(default_factory=dict)
    members: set[Listener] = field(default_factory=set)

    def forget(self, entry_id: str) -> None:
        """It is nothing to this group any more."""
        self.waiting.pop(entry_id, None)
        self.counts.pop(entry_id, None)


class Channel:
    """The entries of one channel, kept until every group has settled them."""

    def __init__(
        self, name: str, groups: Iterable[str], *, limits: MemoryLimits, lost: Counter
    ) -> None:
        self.name = name
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.groups: dict[str, Group] = {group: Group() for group in groups}
        self._limits = limits
        self._lost = lost
        self._log = QuietLog("memory_bus")

    def add(self, entry_id: str, event: Event) -> None:
        """Put an event at the end; the oldest goes where there are too many."""
        self.entries[entry_id] = Entry(event, set(self.groups))
        for group in self.groups.values():
            group.waiting[entry_id] = None
        self._drop_the_oldest()

    def ring(self) -> None:
        """Wake every member of every group."""
        for group in self.groups.values():
            for member in group.members:
                member.ring()

    def group(self, name: str) -> Group:
        """The group, which hears all that is still kept when it is new."""
        if name not in self.groups:
            self.groups[name] = Group(OrderedDict.fromkeys(self.entries))
            for entry in self.entries.values():
                entry.owed_to.add(name)
        return self.groups[name]

    def take(self, name: str) -> list[Received]:
        """The next entries for a member of the group, handed out."""
        group = self.groups[name]
        count = min(len(group.waiting), self._limits.batch)
        return [self._hand_out(group, group.waiting.popitem(last=False)[0]) for _ in range(count)]

    def settle(self, name: str, entry_id: str) -> bool:
        """The group is done with an entry; tells whether it still owed that."""
        self.groups[name].forget(entry_id)
        if not self._owes(name, entry_id):
            return False
        entry = self.entries[entry_id]
        entry.owed_to.discard(name)
        if not entry.owed_to:
            del self.entries[entry_id]
        return True

    def give_back(self, name: str, entry_ids: Iterable[str]) -> None:
        """To be heard next, in their old order, as far as they are still kept."""
        waiting = self.groups[name].waiting
        for entry_id in reversed([one for one in entry_ids if self._owes(name, one)]):
            waiting[entry_id] = None
            waiting.move_to_end(entry_id, last=False)
        self.ring()

    def is_poison(self, received: Received) -> bool:
        """Whether it was handed out too often."""
        return received.delivery_count > self._limits.deliveries

    def _owes(self, name: str, entry_id: str) -> bool:
        entry = self.entries.get(entry_id)
        return entry is not None and name in entry.owed_to

    def _hand_out(self, group: Group, entry_id: str) -> Received:
        group.counts[entry_id] = group.counts.get(entry_id, 0) + 1
        return Received(
            bus_channel=self.name,
            entry_id=entry_id,
            event=self.entries[entry_id].event,
            delivery_count=group.counts[entry_id],
        )

    def _drop_the_oldest(self) -> None:
        limit = self._limits.most if self.groups else self._limits.keep
        while len(self.entries) > limit:
            entry_id, entry = self.entries.popitem(last=False)
            for name in entry.owed_to:
                self.groups[name].forget(entry_id)
            if entry.owed_to:
                self._tell_of_loss(entry)

    def _tell_of_loss(self, entry: Entry) -> None:
        self._lost.inc()
        self._log.warning(
            "bus_entries_lost",
            bus_channel=self.name,
            groups=sorted(entry.owed_to),
            reason="not acknowledged, and there is no more room",
        )
