"""`tidings doctor`, by the environment: what it finds, how it tells it, and what it never tells."""

import json
import os
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.servers.http import HttpEndpoint
from tests.servers.ports import free_port
from tests.servers.smtp import ScriptedServer, SmtpSink
from tests.system.findings import by_check, faults
from tests.system.postgres_sessions import SECRET
from tidings.cli import app
from tidings.core.checkup import Level
from tidings.doctor import examine, password_findings


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set, and the working directory is empty."""
    for name in os.environ:
        if name.startswith("TIDINGS_") and not name.startswith("TIDINGS_TEST_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


async def test_an_installation_with_nothing_set_is_well() -> None:
    assert faults(await examine()) == {}


@pytest.mark.parametrize(
    ("name", "value"), [("TIDINGS_PORT", "70000"), ("TIDINGS_DATABASE_ULR", "sqlite://")]
)
async def test_a_wrong_variable_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    [finding] = await examine()

    assert finding.level is Level.FAILURE
    assert name in finding.found


async def test_sqlite_with_redis_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_REDIS_URL", f"redis://127.0.0.1:{free_port()}")

    assert faults(await examine()) == {"combination": Level.FAILURE, "Redis": Level.FAILURE}


@pytest.mark.parametrize(("allowed", "told"), [("0", "refused"), ("1", "everybody")])
async def test_a_door_without_a_lock_is_told(
    monkeypatch: pytest.MonkeyPatch, allowed: str, told: str
) -> None:
    monkeypatch.setenv("TIDINGS_HOST", "0.0.0.0")
    monkeypatch.setenv("TIDINGS_ALLOW_UNAUTHENTICATED", allowed)

    findings = await examine()

    assert faults(findings) == {"open door": Level.WARNING}
    assert told in by_check(findings)["open door"].found


async def test_a_key_locks_the_door(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tidings.db") as connection:
        connection.execute("CREATE TABLE api_keys (id TEXT)")
        connection.execute("INSERT INTO api_keys VALUES ('k1')")
    connection.close()
    monkeypatch.setenv("TIDINGS_HOST", "0.0.0.0")

    assert faults(await examine()) == {}


async def test_templates_and_workflows_that_do_not_load_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine" / "welcome").mkdir(parents=True)
    (tmp_path / "mine" / "welcome" / "email.subject.txt").write_text("Welcome")
    (tmp_path / "mine" / "welcome" / "email.txt").write_text("Hello,\n{% if %}")
    monkeypatch.setenv("TIDINGS_TEMPLATES", "mine")
    monkeypatch.setenv("TIDINGS_WORKFLOWS", "no_such_module")

    findings = await examine()

    assert faults(findings) == {"templates": Level.FAILURE, "workflows": Level.FAILURE}
    assert "email.txt" in by_check(findings)["templates"].found
    assert "no_such_module" in by_check(findings)["workflows"].found


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://redis:6379/0", True),
        ("redis://:secret@redis:6379/0", False),
        ("redis://redis:6379/0?password=secret", False),
        ("redis://127.0.0.1:6379/0", False),
        ("unix:///run/redis.sock", False),
        ("redis://redis:port/0", True),
    ],
)
def test_a_redis_without_a_password_that_others_reach_is_told(url: str, told: bool) -> None:
    assert bool(password_findings(url)) is told


async def test_a_database_of_a_newer_program_is_told(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tidings.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num TEXT)")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
        connection.execute("CREATE TABLE installation (suits TEXT)")
        connection.execute("INSERT INTO installation VALUES ('9998')")
    connection.close()

    assert faults(await examine()) == {"database schema": Level.FAILURE}


async def test_a_fresh_postgres_and_a_redis_are_well(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, redis_url: str
) -> None:
    monkeypatch.setenv("TIDINGS_DATABASE_URL", postgres_url)
    monkeypatch.setenv("TIDINGS_REDIS_URL", redis_url)

    findings = by_check(await examine())

    assert set(faults(list(findings.values()))) <= {"appendonly"}
    assert "first start" in findings["database schema"].found


@pytest.fixture
def smtp(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TIDINGS_EMAIL_PROVIDER", "smtp")
    monkeypatch.setenv("TIDINGS_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("TIDINGS_SMTP_TLS", "off")
    return monkeypatch


async def test_a_mail_server_is_greeted_and_sent_nothing(smtp: pytest.MonkeyPatch) -> None:
    async with ScriptedServer({}).serving() as server:
        smtp.setenv("TIDINGS_SMTP_PORT", str(server.port))
        findings = await examine()

        assert faults(findings) == {}
        assert [line.split()[0] for line in server.heard if "QUIT" not in line] == ["EHLO"]


async def test_a_mail_server_that_is_down_is_told(smtp: pytest.MonkeyPatch) -> None:
    smtp.setenv("TIDINGS_SMTP_PORT", str(free_port()))

    findings = await examine()

    assert faults(findings) == {"mail server": Level.FAILURE}
    assert "TIDINGS_SMTP_HOST" in by_check(findings)["mail server"].remedy


async def test_a_mail_server_without_starttls_is_told(smtp: pytest.MonkeyPatch) -> None:
    with SmtpSink() as sink:
        smtp.setenv("TIDINGS_SMTP_PORT", str(sink.port))
        smtp.setenv("TIDINGS_SMTP_TLS", "starttls")
        findings = await examine()

    assert "STARTTLS" in by_check(findings)["mail server"].found


@pytest.fixture
def http(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("TIDINGS_EMAIL_PROVIDER", "http")
    monkeypatch.setenv("TIDINGS_HTTP_TOKEN", SECRET)
    return monkeypatch


async def test_an_endpoint_is_reached_and_sent_nothing(http: pytest.MonkeyPatch) -> None:
    async with HttpEndpoint().serving() as endpoint:
        http.setenv("TIDINGS_HTTP_URL", endpoint.url)
        findings = await examine()

    assert faults(findings) == {}
    assert [(one.method, one.body) for one in endpoint.requests] == [("OPTIONS", b"")]
    assert "404" in by_check(findings)["HTTP endpoint"].found


async def test_an_endpoint_that_is_down_is_told(http: pytest.MonkeyPatch) -> None:
    http.setenv("TIDINGS_HTTP_URL", f"http://127.0.0.1:{free_port()}/{SECRET}")

    findings = await examine()

    assert faults(findings) == {"HTTP endpoint": Level.FAILURE}
    assert "TIDINGS_HTTP_URL" in by_check(findings)["HTTP endpoint"].remedy
    assert SECRET not in str(findings)


async def test_a_wrong_option_of_the_provider_is_a_finding(smtp: pytest.MonkeyPatch) -> None:
    smtp.setenv("TIDINGS_SMTP_PORT", "none")

    findings = await examine()

    assert faults(findings) == {"e-mail provider": Level.FAILURE}
    assert "TIDINGS_SMTP_PORT" in by_check(findings)["e-mail provider"].found


def test_the_command_ends_well_with_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_DATABASE_URL", "sqlite://")

    answer = CliRunner().invoke(app, ["doctor", "--json"])

    levels = {one["check"]: one["level"] for one in json.loads(answer.output)}
    assert answer.exit_code == 0
    assert levels["database"] == "warning"


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_command_fails_with_a_failure_and_tells_no_secret(
    monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv(
        "TIDINGS_DATABASE_URL", f"postgresql://tidings:{SECRET}@127.0.0.1:{free_port()}/tidings"
    )
    monkeypatch.setenv("TIDINGS_REDIS_URL", f"redis://:{SECRET}@127.0.0.1:{free_port()}/0")
    monkeypatch.setenv("TIDINGS_EMAIL_PROVIDER", "smtp")
    monkeypatch.setenv("TIDINGS_SMTP_HOST", "127.0.0.1")
    monkeypatch.setenv("TIDINGS_SMTP_PORT", str(free_port()))
    monkeypatch.setenv("TIDINGS_SMTP_USERNAME", "tidings")
    monkeypatch.setenv("TIDINGS_SMTP_PASSWORD", SECRET)

    answer = CliRunner().invoke(app, ["doctor", *options])

    assert answer.exit_code == 1
    assert answer.output.count("failure") == 3
    assert SECRET not in answer.output
