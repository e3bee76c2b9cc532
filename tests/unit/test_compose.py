"""docker-compose.yml, Dockerfile and .env.example agree with the program; faults are found."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields

import pytest
import typer
import yaml
from typer.core import TyperGroup

from tests.compose import COMPOSE_FILE, ROOT, read_services
from tests.unit import compose_checks as checks
from tests.unit.test_docs import as_shown
from tidings.channels.email.smtp_options import PREFIX, SmtpOptions
from tidings.channels.http.options import PREFIX as HTTP_PREFIX
from tidings.channels.http.options import HttpOptions
from tidings.channels.options import read_options
from tidings.cli import app
from tidings.core.errors import ConfigurationError
from tidings.main import SERVICES as SERVICES_OF_THE_PROGRAM
from tidings.settings import Settings, load_settings

TEXT = COMPOSE_FILE.read_text(encoding="utf-8")
SERVICES = read_services(TEXT)
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
SMTP_OPTIONS = [f"{PREFIX}{field.name.upper()}" for field in fields(SmtpOptions)]
HTTP_OPTIONS = [f"{HTTP_PREFIX}{field.name.upper()}" for field in fields(HttpOptions)]
#: what compose itself puts in, and no process of ours reads
COMPOSE_VARIABLES = ["POSTGRES_PASSWORD"]
OURS = sorted(name for name, service in SERVICES.items() if service.is_ours)

PROBE = "{test: [CMD, tidings, worker, analytics]}"

Check = Callable[[checks.Services], list[str]]


def program() -> checks.Program:
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    return command


def defaults() -> dict[str, str]:
    shown = {
        f"TIDINGS_{name.upper()}": as_shown(each.default)
        for name, each in Settings.model_fields.items()
    }
    return {name: "" if value == "none" else value for name, value in shown.items()}


def test_the_file_has_the_services_that_were_asked_for() -> None:
    always = {name for name, service in SERVICES.items() if not service.profiles}

    assert always == {
        "api",
        "notification-worker",
        "email-worker",
        "in-app-worker",
        "analytics-worker",
        "redis",
        "postgres",
        "mail",
    }


def test_every_command_and_health_check_is_one_of_the_program() -> None:
    assert checks.wrong_commands(SERVICES, program()) == []


@pytest.mark.parametrize(
    "check",
    [
        checks.without_health,
        checks.moving_images,
        checks.unguarded,
        checks.impatient,
        checks.lonely,
        checks.open_ports,
        checks.unscalable,
        checks.built_not_once,
    ],
)
def test_the_file_has_none_of_the_faults_looked_for(check: Check) -> None:
    assert check(SERVICES) == []


@pytest.mark.parametrize("name", OURS)
def test_the_program_accepts_the_environment_of_each_service(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = accept(SERVICES[name].environment, monkeypatch)

    assert settings.database_url == "postgresql://tidings:tidings@postgres/tidings"


def test_health_checks_and_metrics_of_a_worker_have_a_port_that_others_reach() -> None:
    workers = [each for each in SERVICES.values() if each.command[:1] == ("worker",)]

    found = {
        (worker.environment["TIDINGS_HOST"], worker.environment["TIDINGS_HEALTH_PORT"])
        for worker in workers
    }
    assert found == {("0.0.0.0", "9000")}


def test_the_published_port_of_the_api_is_the_one_it_listens_on() -> None:
    api = SERVICES["api"]

    assert api.raw["ports"] == [f"127.0.0.1:8000:{api.environment['TIDINGS_PORT']}"]


def test_redis_and_postgres_keep_what_they_have() -> None:
    redis = " ".join(SERVICES["redis"].command)
    kept = {name: SERVICES[name].raw["volumes"] for name in ("redis", "postgres")}

    assert "--appendonly yes" in redis
    assert "--maxmemory-policy noeviction" in redis
    assert kept == {
        "redis": ["redis:/data"],
        "postgres": ["postgres:/var/lib/postgresql/data"],
    }
    assert yaml.safe_load(TEXT)["volumes"].keys() == kept.keys()


def test_every_service_has_an_api_of_its_own_behind_the_gateway() -> None:
    apis = [each for each in SERVICES.values() if each.command[:1] == ("api",)]
    parts = {service for each in apis for service in each.command[1:]}

    assert parts == SERVICES_OF_THE_PROGRAM.keys()
    assert {f"api-{part}" for part in parts} == SERVICES["gateway"].raw["depends_on"].keys()


def test_the_image_is_labelled_with_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert f'org.opencontainers.image.version="{project["version"]}"' in DOCKERFILE


def test_image_and_compose_file_name_the_same_user_and_health_check() -> None:
    user = re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)
    probe = re.findall(r"^HEALTHCHECK .*CMD (.+)$", DOCKERFILE, re.MULTILINE)

    assert {SERVICES[name].raw["user"] for name in OURS} == set(user)
    assert {SERVICES[name].healthcheck for name in OURS} == {
        tuple(yaml.safe_load(each)) for each in probe
    }


def test_the_base_image_is_pinned_by_a_whole_version() -> None:
    assert re.findall(r"^ARG BASE=\S+/python:\d+\.\d+\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)


def test_the_example_of_an_environment_has_every_setting_with_its_default() -> None:
    others = [*SMTP_OPTIONS, *HTTP_OPTIONS, *COMPOSE_VARIABLES]

    assert checks.wrong_example(ENV_EXAMPLE, defaults(), others=others) == []


def test_what_the_compose_file_takes_from_the_environment_is_in_the_example() -> None:
    taken = set(re.findall(r"\$\{(\w+):-", TEXT))

    assert taken
    assert [name for name in taken if f"#{name}=" not in ENV_EXAMPLE] == []


# Planted faults: what each check above must not let pass.

SOUND = """
services:
  api:
    image: tidings
    build: .
    pull_policy: never
    command: [api]
    ports: ["127.0.0.1:8000:8000"]
    healthcheck: {test: [CMD, tidings, --version]}
    depends_on: {postgres: {condition: service_healthy}, redis: {condition: service_healthy}}
    user: "10001"
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    restart: unless-stopped
    stop_grace_period: 15s
  worker:
    image: tidings
    pull_policy: never
    command: [worker, channel, email]
    healthcheck: {test: [CMD, tidings, --version]}
    depends_on: {postgres: {condition: service_healthy}, redis: {condition: service_healthy}}
    user: "10001"
    read_only: true
    tmpfs: [/tmp]
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    restart: unless-stopped
    stop_grace_period: 15s
  redis:
    image: redis:8.2.3
    healthcheck: {test: [CMD, redis-cli, ping]}
  postgres:
    image: postgres:17.7
    healthcheck: {test: [CMD, pg_isready]}
"""


@pytest.mark.parametrize(
    ("check", "sound", "faulty", "finding"),
    [
        (checks.without_health, "healthcheck: {test: [CMD, pg_isready]}", "", "postgres is not"),
        (checks.without_health, "[CMD, redis-cli, ping]", "[CMD, curl, x]", "redis is not asked"),
        (checks.without_health, "[CMD, tidings, ", "[CMD, tiding, ", "api is not asked"),
        (checks.moving_images, "redis:8.2.3", "redis:latest", "redis:latest is not pinned"),
        (checks.moving_images, "redis:8.2.3", "redis", "redis is not pinned"),
        (checks.moving_images, "postgres:17.7", "postgres:17", "postgres:17 is not pinned"),
        (checks.unguarded, "read_only: true", "", "api: read_only is not True"),
        (checks.unguarded, "cap_drop: [ALL]", "cap_drop: [CHOWN]", "api: cap_drop is not"),
        (checks.unguarded, 'security_opt: ["no-new-privileges:true"]', "", "api: security_opt"),
        (checks.unguarded, "tmpfs: [/tmp]", "", "api: tmpfs is not"),
        (checks.unguarded, 'user: "10001"', 'user: "0:0"', "api runs as root"),
        (checks.unguarded, 'user: "10001"', "", "api runs as root"),
        (checks.impatient, "redis: {condition: service_healthy}", "redis: {}", "until redis"),
        (checks.impatient, "redis: {condition", "rediss: {condition", "until rediss"),
        (checks.impatient, "stop_grace_period: 15s", "", "api is killed before it ends"),
        (checks.impatient, "stop_grace_period: 15s", "stop_grace_period: 10s", "api is killed"),
        (checks.lonely, ", redis: {condition: service_healthy}", "", "api does not wait for redis"),
        (checks.open_ports, "127.0.0.1:8000:", "8000:", "api publishes 8000:8000"),
        (checks.open_ports, "127.0.0.1:8000:", "0.0.0.0:8000:", "api publishes 0.0.0.0"),
        (checks.unscalable, "command: [worker", "ports: [x]\n    command: [worker", "has ports"),
        (
            checks.unscalable,
            "command: [worker",
            "container_name: w\n    command: [worker",
            "worker has container_name",
        ),
        (checks.built_not_once, "build: .", "", "the image is built by []"),
        (checks.built_not_once, "pull_policy: never", "build: .", "the image is built by ['api',"),
        (checks.built_not_once, "pull_policy: never", "", "worker would fetch tidings"),
    ],
)
def test_a_fault_in_a_compose_file_is_found(
    check: Check, sound: str, faulty: str, finding: str
) -> None:
    assert sound in SOUND
    assert check(read_services(SOUND)) == []

    findings = check(read_services(SOUND.replace(sound, faulty)))

    assert finding in "\n".join(findings)


@pytest.mark.parametrize(
    ("words", "finding"),
    [
        ("[api]", None),
        ("[apis]", "No such command"),
        ("[worker, channel]", "channels"),
        ("[worker, notification, email]", "unexpected extra argument"),
        ("[worker, analytics, --fast]", "No such option"),
        ("[]", "there is no command"),
    ],
)
def test_a_command_the_program_would_refuse_is_found(words: str, finding: str | None) -> None:
    text = f"services: {{x: {{image: tidings, command: {words}, healthcheck: {PROBE}}}}}"

    findings = checks.wrong_commands(read_services(text), program())

    assert (finding is None) == (findings == [])
    assert (finding or "") in "\n".join(findings)


@pytest.mark.parametrize("name", ["TIDINGS_REDIS_ULR", "TIDINGS_SMTP_HOTS"])
def test_a_variable_the_program_does_not_know_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**SERVICES["api"].environment, name: "x"}

    with pytest.raises(ConfigurationError, match=name):
        accept(environment, monkeypatch)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("#TIDINGS_PORT=8000\n#EXTRA=x\n", None),
        ("#EXTRA=\n", "TIDINGS_PORT is missing"),
        ("#TIDINGS_PORT=8000\n", "EXTRA is missing"),
        ("#TIDINGS_PORT=8000\n#EXTRA=\n#TIDINGS_PROT=1\n", "TIDINGS_PROT does not exist"),
        ("#TIDINGS_PORT=80\n#EXTRA=\n", "TIDINGS_PORT: the default is 8000, not 80"),
        ("TIDINGS_PORT=8000\n#EXTRA=\n", "TIDINGS_PORT=8000 is set"),
    ],
)
def test_a_setting_the_example_leaves_out_or_makes_up_is_found(
    text: str, finding: str | None
) -> None:
    findings = checks.wrong_example(text, {"TIDINGS_PORT": "8000"}, others=["EXTRA"])

    assert (finding is None) == (findings == [])
    assert (finding or "") in "\n".join(findings)


def test_variables_are_put_in_as_compose_does_it() -> None:
    text = "services: {x: {environment: {A: '${A:-1}', B: 'b-${B:-off}', C: '${C:-}'}}}"

    read = read_services(text, {"A": "2", "C": ""})

    assert read["x"].environment == {"A": "2", "B": "b-off", "C": ""}


def accept(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings and options the program reads from it, in its folder of notifications."""
    for name in os.environ:
        if name.startswith("TIDINGS_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(ROOT / "notifications")
    settings = load_settings()
    read_options(SmtpOptions, settings.provider_options("smtp"), prefix=PREFIX)
    return settings
