"""What may be set for any integration, whatever its provider, which does not see it."""

from dataclasses import dataclass, fields
from typing import Annotated

#: the rate that is none
NO_LIMIT = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """The limits of an integration, as texts say them."""

    rate: str = NO_LIMIT
    concurrency: Annotated[int | None, "10"] = None
    receipt_seconds: Annotated[float | None, "900"] = None
    slow_seconds: Annotated[float, "5"] = 5.0


ENGINE_OPTIONS = tuple(field.name for field in fields(EngineOptions))
