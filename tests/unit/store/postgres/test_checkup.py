import dataclasses

import pytest

from tidings.core.checkup import Level
from tidings.store.postgres.checkup import EACH_PROCESS, NEWEST, OLDEST, Facts, judge

WELL = Facts(
    major=OLDEST,
    version=f"{OLDEST}.1",
    fsync="on",
    full_page_writes="on",
    synchronous_commit="on",
    usual_synchronous_commit="on",
    connections=97,
    taken=20,
    ours=10,
    long_transactions=0,
)


def test_nothing_is_said_against_a_good_server() -> None:
    assert {finding.level for finding in judge(WELL)} == {Level.OK}


@pytest.mark.parametrize(
    ("fact", "value", "check", "level"),
    [
        ("major", OLDEST - 1, "PostgreSQL version", Level.FAILURE),
        ("major", NEWEST + 1, "PostgreSQL version", Level.WARNING),
        ("fsync", "off", "fsync", Level.FAILURE),
        ("full_page_writes", "off", "full_page_writes", Level.WARNING),
        ("synchronous_commit", "off", "synchronous_commit", Level.FAILURE),
        ("synchronous_commit", "local", "synchronous_commit", Level.FAILURE),
        ("usual_synchronous_commit", "off", "synchronous_commit", Level.WARNING),
        ("taken", 97 - EACH_PROCESS + 1, "connections", Level.WARNING),
        ("long_transactions", 1, "long transactions", Level.WARNING),
    ],
)
def test_each_fault_is_found_alone_and_has_a_remedy(
    fact: str, value: object, check: str, level: Level
) -> None:
    findings = judge(dataclasses.replace(WELL, **{fact: value}))  # type: ignore[arg-type]  # a fact by its name

    [fault] = [finding for finding in findings if finding.level is not Level.OK]
    assert (fault.check, fault.level) == (check, level)
    assert fault.remedy
