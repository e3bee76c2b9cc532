import dataclasses
import os
from pathlib import Path

import pytest

from tidings.core.errors import ConfigurationError
from tidings.delivery.pace import USUAL_PACE
from tidings.settings import read_settings


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("TIDINGS_") and not name.startswith("TIDINGS_TEST_"):
            monkeypatch.delenv(name)


def test_nothing_needs_to_be_set() -> None:
    settings = read_settings()

    assert settings.sqlite_path == Path("tidings.db")
    assert settings.redis_url is None


def test_a_worker_is_as_fast_and_as_patient_by_either_default() -> None:
    settings = read_settings()

    for field in dataclasses.fields(USUAL_PACE):
        if hasattr(settings, field.name):
            assert getattr(settings, field.name) == getattr(USUAL_PACE, field.name), field.name


def test_a_drain_leaves_time_to_tell_the_news_before_the_process_is_broken_off() -> None:
    with pytest.raises(ConfigurationError, match="at most 6"):
        read_settings(drain_seconds=7)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite://", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///a/b.db", Path("a/b.db")),
        ("sqlite:////var/lib/tidings.db", Path("/var/lib/tidings.db")),
    ],
)
def test_a_sqlite_address_names_its_file(url: str, path: Path | None) -> None:
    assert read_settings(database_url=url).sqlite_path == path


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("TIDINGS_PORT", "70000", "65535"),
        ("TIDINGS_PORT", "http", "65535"),
        ("TIDINGS_DATABASE_URL", "mysql://here", "postgresql://"),
        ("TIDINGS_REDIS_URL", "localhost:6379", "redis://"),
        ("TIDINGS_REGISTER_RATE", "often", "60/minute"),
        ("TIDINGS_RETENTION_DAYS", "7", "off"),
        ("TIDINGS_RETENTION_DAYS", "long", "off"),
        ("TIDINGS_RETENTION_DAYS", "36501", "36500"),
        ("TIDINGS_TEMPLATES", "/no/such/folder", "folder"),
        ("TIDINGS_LOG_LEVEL", "loud", "info"),
        ("TIDINGS_DATABSE_URL", "sqlite://", "TIDINGS_DATABASE_URL"),
        ("TIDINGS_SLOTS", "0", "TIDINGS_SLOTS"),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fix: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ConfigurationError) as refusal:
        read_settings()

    assert name in str(refusal.value)
    assert fix in str(refusal.value)


def test_a_password_in_a_wrong_address_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_DATABASE_URL", "mysql://me:hunter2@here")

    with pytest.raises(ConfigurationError) as refusal:
        read_settings()

    assert "hunter2" not in str(refusal.value)


def test_an_installed_providers_variables_are_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_SMTP_HOST", "mail.example.com")

    settings = read_settings(providers=("smtp",))

    assert settings.provider_options("smtp") == {"host": "mail.example.com"}
    with pytest.raises(ConfigurationError, match="TIDINGS_SMTP_HOST is not a setting"):
        read_settings(providers=("console",))


def test_names_are_a_comma_separated_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_WORKFLOWS", "shop.notifications, billing.notifications,")

    assert read_settings().workflows == ("shop.notifications", "billing.notifications")


def test_a_key_is_not_shown_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_API_KEY", "tdg_1_hunter2")

    settings = read_settings()

    assert settings.api_key == "tdg_1_hunter2"
    assert "hunter2" not in repr(settings)


def test_several_integrations_have_options_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_EMAIL_PROVIDER", "smtp*80, smtp_2=smtp*20")
    monkeypatch.setenv("TIDINGS_SMTP_HOST", "one.example.com")
    monkeypatch.setenv("TIDINGS_SMTP_2_HOST", "two.example.com")

    settings = read_settings(providers=("smtp",))

    assert [spec.name for spec in settings.email_integrations] == ["smtp", "smtp_2"]
    assert settings.provider_options("smtp") == {"host": "one.example.com"}
    assert settings.provider_options("smtp_2") == {"host": "two.example.com"}


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("smtp, smtp", "two entries have the name smtp"),
        ("email=smtp", "the options of email would begin like TIDINGS_EMAIL_PROVIDER"),
        ("test=smtp", "the options of test would begin like TIDINGS_TEST_"),
    ],
)
def test_a_wrong_list_of_integrations_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: str, complaint: str
) -> None:
    monkeypatch.setenv("TIDINGS_EMAIL_PROVIDER", value)

    with pytest.raises(ConfigurationError, match="TIDINGS_EMAIL_PROVIDER") as refusal:
        read_settings()

    assert complaint in str(refusal.value)
    assert "east=smtp*80" in str(refusal.value)


def test_the_options_of_an_unlisted_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_EMAIL_PROVIDER", "east=smtp")
    monkeypatch.setenv("TIDINGS_WEST_HOST", "mail.example.com")

    with pytest.raises(ConfigurationError, match="TIDINGS_WEST_HOST is not a setting"):
        read_settings(providers=("smtp",))


@pytest.mark.parametrize("name", ["retention_days", "long_retention_days"])
@pytest.mark.parametrize(("value", "kept"), [("off", None), ("30", 30), ("36500", 36_500)])
def test_rows_are_kept_for_a_time_or_for_ever(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, kept: int | None
) -> None:
    monkeypatch.setenv(f"TIDINGS_{name.upper()}", value)

    assert getattr(read_settings(), name) == kept


def test_what_is_finished_is_kept_for_three_months_and_what_is_looked_back_on_for_two_years() -> (
    None
):
    settings = read_settings()

    assert (settings.retention_days, settings.long_retention_days) == (90, 730)
