"""Every planted bug."""

from tests.simulation.bugs import accepting, claiming, settling, unknown

BUGS = (*accepting.BUGS, *claiming.BUGS, *settling.BUGS, *unknown.BUGS)
