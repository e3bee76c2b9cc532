"""Checks of docker-compose.yml: each is given services and answers with what is wrong."""

import re
from collections.abc import Mapping, Sequence

from typer import Context, TyperException
from typer.core import TyperCommand, TyperGroup

from tests.compose import Service

Services = Mapping[str, Service]
Program = TyperCommand | TyperGroup

#: how each of somebody else's images is asked for its health, by the image's name
PROBES = {
    "redis": "redis-cli",
    "postgres": "pg_isready",
    "axllent/mailpit": "/mailpit",
    "nginx": "wget",
}
#: seconds within which our processes end
DRAIN = 10
LOOPBACK = "127.0.0.1:"
#: what every container of ours has
GUARDS: Mapping[str, object] = {
    "read_only": True,
    "tmpfs": ["/tmp"],
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "restart": "unless-stopped",
}


def wrong_commands(services: Services, program: Program) -> list[str]:
    """Commands and health checks of ours that the program would refuse."""
    return [
        f"{service.name}: {finding}"
        for service in _ours(services)
        for words in (service.command, service.healthcheck[1:])
        if (finding := _refusal(program, words))
    ]


def without_health(services: Services) -> list[str]:
    """Services without a health check, or with one that is not in their image."""
    return [
        f"{service.name} is not asked for its health by {probe}"
        for service in services.values()
        if [probe := _probe(service)] != list(service.healthcheck[:1])
    ]


def moving_images(services: Services) -> list[str]:
    """Images of others that may be another tomorrow: no tag, or one without a whole version."""
    return [
        f"{service.name}: {service.image} is not pinned"
        for service in services.values()
        if not service.is_ours and not re.search(r":v?\d+\.\d+(\.\d+)?(-[\w.]+)?$", service.image)
    ]


def unguarded(services: Services) -> list[str]:
    """Containers of ours that may do more than they must."""
    missing = [
        f"{service.name}: {guard} is not {wanted}"
        for service in _ours(services)
        for guard, wanted in GUARDS.items()
        if service.raw.get(guard) != wanted
    ]
    return missing + [
        f"{service.name} runs as root"
        for service in _ours(services)
        if str(service.raw.get("user", "0")).partition(":")[0] in {"0", "root"}
    ]


def impatient(services: Services) -> list[str]:
    """Services that start before what they need is healthy, or are killed before they end."""
    early = [
        f"{service.name} does not wait until {needed} is healthy"
        for service in services.values()
        for needed, how in _needs(service).items()
        if needed not in services or how.get("condition") != "service_healthy"
    ]
    return early + [
        f"{service.name} is killed before it ends"
        for service in _ours(services)
        if int(str(service.raw.get("stop_grace_period", "10s")).removesuffix("s")) <= DRAIN
    ]


def lonely(services: Services) -> list[str]:
    """Services of ours that do not wait for both servers."""
    return [
        f"{service.name} does not wait for {server}"
        for service in _ours(services)
        for server in ("postgres", "redis")
        if server not in _needs(service)
    ]


def open_ports(services: Services) -> list[str]:
    """Ports that other machines reach."""
    return [
        f"{service.name} publishes {port}"
        for service in services.values()
        for port in service.raw.get("ports", ())
        if not str(port).startswith(LOOPBACK)
    ]


def unscalable(services: Services) -> list[str]:
    """Workers of which there can't be two on one machine."""
    return [
        f"{service.name} has {fixed}"
        for service in services.values()
        if service.is_ours and service.command[:1] == ("worker",)
        for fixed in ("container_name", "ports")
        if fixed in service.raw
    ]


def built_not_once(services: Services) -> list[str]:
    """Our image built more or less than once, or looked for elsewhere by who does not build it."""
    builders = [service.name for service in services.values() if "build" in service.raw]
    strangers = [
        f"{service.name} would fetch {service.image}"
        for service in _ours(services)
        if service.raw.get("pull_policy") != "never"
    ]
    once = len(builders) == 1 and services[builders[0]].is_ours
    return strangers + ([] if once else [f"the image is built by {builders}"])


def wrong_example(text: str, defaults: Mapping[str, str], *, others: Sequence[str]) -> list[str]:
    """Settings an example leaves out, makes up, or shows with another default.

    `others` are names it must have beside the settings. Each stands in a comment of its own line.
    """
    shown = dict(re.findall(r'^#(\w+)="?(.*?)"?$', text, re.MULTILINE))
    known = {*defaults, *others}
    missing = [f"{name} is missing" for name in sorted(known - shown.keys())]
    unknown = [f"{name} does not exist" for name in shown if name not in known]
    active = [f"{line} is set" for line in re.findall(r"^\w+=.*$", text, re.MULTILINE)]
    wrong = [
        f"{name}: the default is {default or 'nothing'}, not {shown[name]}"
        for name, default in defaults.items()
        if name in shown and shown[name] != default
    ]
    return missing + unknown + active + wrong


def _ours(services: Services) -> list[Service]:
    return [service for service in services.values() if service.is_ours]


def _needs(service: Service) -> Mapping[str, Mapping[str, str]]:
    needs = service.raw.get("depends_on", {})
    return needs if isinstance(needs, dict) else {name: {} for name in needs}


def _probe(service: Service) -> str:
    return "tidings" if service.is_ours else PROBES[service.image.partition(":")[0]]


def _refusal(program: Program, words: Sequence[str]) -> str:
    """What is wrong with the words for the program; empty if nothing is."""
    if not words:
        return "there is no command"
    try:
        _parse(program, words)
    except TyperException as error:
        return f"{' '.join(words)}: {error}"
    return ""


def _parse(program: object, words: Sequence[str]) -> None:
    """Down to the last command, whose arguments are read as they would be to run it."""
    if isinstance(program, TyperGroup):
        _name, command, rest = program.resolve_command(Context(program), list(words))
        _parse(command, rest)
    elif isinstance(program, TyperCommand):
        program.make_context(None, list(words))
