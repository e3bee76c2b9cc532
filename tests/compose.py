"""docker-compose.yml as the tests and `scripts/check-image` read it: what starts with what."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
COMPOSE_FILE = ROOT / "docker-compose.yml"
#: the image that is built here; all others are somebody else's
OUR_IMAGE = "tidings"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+):-(?P<default>[^}]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service: how it is started, and all else that the file says of it."""

    name: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    #: the command that tells whether it is well; empty without one
    healthcheck: Sequence[str]
    raw: Mapping[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether it runs our image."""
        return self.image == OUR_IMAGE

    @property
    def profiles(self) -> Sequence[str]:
        """Where it belongs; empty for what always starts."""
        return tuple(self.raw.get("profiles", ()))


def read_services(text: str, variables: Mapping[str, str] | None = None) -> Mapping[str, Service]:
    """The services of a compose file, with `variables` and else the defaults put in."""
    document = _interpolated(yaml.safe_load(text), variables or {})
    return {name: _service(name, raw) for name, raw in document["services"].items()}


def read_our_file() -> Mapping[str, Service]:
    """All services of the repository's own file."""
    return read_services(COMPOSE_FILE.read_text(encoding="utf-8"))


def _service(name: str, raw: Mapping[str, Any]) -> Service:
    return Service(
        name=name,
        image=raw.get("image", ""),
        command=tuple(str(word) for word in raw.get("command", ())),
        environment={key: str(value) for key, value in raw.get("environment", {}).items()},
        healthcheck=tuple(raw.get("healthcheck", {}).get("test", ()))[1:],
        raw=raw,
    )


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """As compose does it: in the texts of the document, after it was read."""
    if isinstance(value, dict):
        return {key: _interpolated(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_interpolated(each, variables) for each in value]
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: variables.get(found["name"]) or found["default"], value)
    return value
