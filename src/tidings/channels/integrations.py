"""Makes a channel's integrations of what the settings say of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from limits import parse_many

from tidings.channels.engine_options import ENGINE_OPTIONS, NO_LIMIT, EngineOptions
from tidings.channels.naming import Named, naming
from tidings.channels.options import read_options
from tidings.channels.registry import ProviderPorts, load_checkup, load_provider
from tidings.core.checkup import Finding
from tidings.core.errors import ConfigurationError
from tidings.core.integrations import Integration, IntegrationSpec, Limits

PREFIX = "TIDINGS_"

Options = Mapping[str, str]


def load_integration(
    spec: IntegrationSpec, options: Options, ports: ProviderPorts, *, setting: str
) -> Integration:
    """Build it of its options. Raises ConfigurationError naming the variable and the fix."""
    limits = read_limits(spec, options)
    ports = replace(ports, named=_named(spec))
    with naming(ports.named):
        provider = load_provider(spec.provider, _rest(options), ports, setting=setting)
    return Integration(name=spec.name, provider=provider, limits=limits, weight=spec.weight)


async def check_up(spec: IntegrationSpec, options: Options) -> Sequence[Finding]:
    """What its vendor has to say. Raises ConfigurationError likewise."""
    check = load_checkup(spec.provider)
    if check is None:
        return []
    named = _named(spec)
    with naming(named):
        findings = await check(_rest(options))
    return [replace(each, found=named(each.found), remedy=named(each.remedy)) for each in findings]


def read_limits(spec: IntegrationSpec, options: Options) -> Limits:
    """The engine's part of the options. Raises ConfigurationError naming the variable."""
    prefix = _prefix(spec.name)
    given = {name: value for name, value in options.items() if name in ENGINE_OPTIONS}
    chosen = read_options(EngineOptions, given, prefix=prefix)
    for name in ("concurrency", "receipt_seconds", "slow_seconds"):
        value = getattr(chosen, name)
        if value is not None and not value > 0:
            raise ConfigurationError(f"{prefix}{name.upper()} is {value:g}: use more than 0.")
    return Limits(
        rate=_rate(chosen.rate, f"{prefix}RATE"),
        concurrency=chosen.concurrency,
        receipt_seconds=chosen.receipt_seconds,
        slow_seconds=chosen.slow_seconds,
    )


def _rate(text: str, variable: str) -> float | None:
    if text == NO_LIMIT:
        return None
    try:
        (rate,) = parse_many(text)
    except ValueError:
        rate = None
    if rate is None or rate.amount < 1 or rate.multiples < 1:
        raise ConfigurationError(
            f"{variable} {text!r} is no rate: use a form like 10/second or 600/minute, or off."
        )
    return rate.amount / rate.get_expiry()


def _rest(options: Options) -> Options:
    return {name: value for name, value in options.items() if name not in ENGINE_OPTIONS}


def _named(spec: IntegrationSpec) -> Named:
    """A provider names its own variables in its errors; the operator has set the integration's."""
    return lambda text: text.replace(_prefix(spec.provider), _prefix(spec.name))


def _prefix(name: str) -> str:
    return f"{PREFIX}{name.upper()}_"
