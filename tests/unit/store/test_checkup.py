import pytest

from tidings.core.checkup import Level
from tidings.store import checkup
from tidings.store.migrations.migrate import REVISIONS


def test_no_schema_and_the_newest_are_well() -> None:
    assert checkup.schema_finding(None).level is Level.OK
    assert checkup.schema_finding(REVISIONS[-1]).level is Level.OK


def test_an_older_schema_is_migrated_by_the_next_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup, "REVISIONS", ("0001", "0002"))

    finding = checkup.schema_finding("0001")

    assert finding.level is Level.WARNING
    assert "next start" in finding.remedy


def test_a_newer_schema_needs_the_newer_program() -> None:
    finding = checkup.schema_finding("9999")

    assert finding.level is Level.FAILURE
    assert "start the newer Tidings" in finding.remedy


def test_a_newer_schema_that_serves_this_program_is_an_upgrade_under_way() -> None:
    finding = checkup.schema_finding("9999", REVISIONS[0])

    assert finding.level is Level.WARNING
    assert "finish the upgrade" in finding.remedy
