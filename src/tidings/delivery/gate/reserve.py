"""What the general window leaves to the critical lane."""

_SHARE = 10


def reserve(total: float) -> int:
    """About a tenth of so many and at least one; nothing where there is but one."""
    return max(1, int(total) // _SHARE) if total >= 2 else 0
