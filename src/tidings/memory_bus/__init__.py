"""The event bus inside one process."""

from tidings.memory_bus.channel import MemoryLimits
from tidings.memory_bus.memory_bus import MemoryEventBus

__all__ = ["MemoryEventBus", "MemoryLimits"]
