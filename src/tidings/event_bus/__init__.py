"""The event bus over Redis: publish, subscribe in groups, watch."""

from tidings.event_bus.event_bus import EventBus, RedisEventBus
from tidings.event_bus.tuning import Tuning

__all__ = ["EventBus", "RedisEventBus", "Tuning"]
