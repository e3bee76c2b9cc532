"""What the tests of `tidings doctor` ask of its findings."""

from collections.abc import Sequence

from tidings.core.checkup import Finding, Level


def by_check(findings: Sequence[Finding]) -> dict[str, Finding]:
    """Each finding by the name of its check."""
    return {finding.check: finding for finding in findings}


def faults(findings: Sequence[Finding]) -> dict[str, Level]:
    """The checks that did not find all well."""
    return {one.check: one.level for one in findings if one.level is not Level.OK}
