"""Every planted bug."""

from tests.simulation.bugs import accepting, claiming, limits, settling, unknown

BUGS = (*accepting.BUGS, *claiming.BUGS, *settling.BUGS, *unknown.BUGS, *limits.BUGS)
