"""Every planted bug."""

from tests.simulation.bugs import accepting, claiming, settling

BUGS = (*accepting.BUGS, *claiming.BUGS, *settling.BUGS)
