"""A token bucket: how many calls a rate allows now. Pure; times in seconds."""

from dataclasses import dataclass, replace

#: what an idle bucket holds, in seconds of its rate: in no second are there more than 1.2 of it
BURST_SECONDS = 0.2
#: what is lost by counting in floats
_CRUMB = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    """How many calls were allowed at a moment."""

    tokens: float
    at: float


def empty(now: float) -> Bucket:
    """Nothing is allowed yet."""
    return Bucket(tokens=0.0, at=now)


def fresh(now: float) -> Bucket:
    """Nobody called for long: one call is allowed at once."""
    return Bucket(tokens=1.0, at=now)


def burst(rate: float) -> float:
    """How much a bucket holds; a slow rate's holds one, or there would be no call ever."""
    return max(1.0, BURST_SECONDS * rate)


def filled(bucket: Bucket, rate: float, now: float) -> Bucket:
    """What came in since; a clock that was set back brings nothing."""
    gained = max(0.0, now - bucket.at) * rate
    return Bucket(tokens=min(bucket.tokens + gained, burst(rate)), at=now)


def there(bucket: Bucket, *, left: float = 0.0) -> int:
    """How many may be taken of a filled one where so many are to be left."""
    return max(0, int(bucket.tokens - left + _CRUMB))


def without(bucket: Bucket, count: int) -> Bucket:
    """So many are taken."""
    return replace(bucket, tokens=max(0.0, bucket.tokens - count))


def with_back(bucket: Bucket, count: int, rate: float) -> Bucket:
    """So many were not needed after all."""
    return replace(bucket, tokens=min(bucket.tokens + count, burst(rate)))


def seconds_until(bucket: Bucket, rate: float, tokens: float) -> float:
    """How long a filled one takes to hold so many."""
    return max(0.0, tokens - bucket.tokens) / rate
