"""Reads a provider's options into its own frozen dataclass, with errors that say what to mend."""

import dataclasses
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from tidings.channels.engine_options import ENGINE_OPTIONS
from tidings.core.errors import ConfigurationError


class OptionsClass(Protocol):
    """A dataclass whose fields are options: str, int, float, bool, Path, a Literal of texts.

    `Annotated[int, "587"]` gives the example that is shown where the option is missing or wrong.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


Options = TypeVar("Options", bound=OptionsClass)

_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def read_options(kind: type[Options], given: Mapping[str, str], *, prefix: str) -> Options:
    """Make a `kind` of texts; an empty one counts as not given.

    Raises ConfigurationError naming the variable (`prefix` and the option) and the fix.
    """
    options = {name: value for name, value in given.items() if value != ""}
    hints = get_type_hints(kind, include_extras=True)
    _refuse_unknown(options, hints, prefix)
    _refuse_missing(options, kind, hints, prefix)
    return kind(
        **{
            name: _converted(value, hints[name], prefix + name.upper())
            for name, value in options.items()
        }
    )


def _refuse_unknown(options: Mapping[str, str], hints: Mapping[str, Any], prefix: str) -> None:
    known = [*hints, *(name for name in ENGINE_OPTIONS if name not in hints)]
    for name in sorted(options.keys() - hints.keys()):
        close = difflib.get_close_matches(name, known, n=1)
        every = ", ".join(prefix + option.upper() for option in known)
        hint = f"did you mean {prefix}{close[0].upper()}? The" if close else "the"
        raise ConfigurationError(
            f"{prefix}{name.upper()} is not an option: {hint} options are {every}."
        )


def _refuse_missing(
    options: Mapping[str, str], kind: type[Options], hints: Mapping[str, Any], prefix: str
) -> None:
    for field in dataclasses.fields(kind):
        if field.name not in options and field.default is dataclasses.MISSING:
            variable = prefix + field.name.upper()
            raise ConfigurationError(
                f"{variable} is missing: set it, e.g. {_example(hints[field.name])}."
            )


def _converted(value: str, hint: Any, variable: str) -> Any:
    try:
        return _conversion(_bare(hint))(value.strip())
    except (ValueError, KeyError):
        raise ConfigurationError(
            f"{variable} {value!r} is not {_expected(_bare(hint))}: use e.g. {_example(hint)}."
        ) from None


def _bare(hint: Any) -> Any:
    """What is left of `Annotated[int | None, …]`: int."""
    if get_origin(hint) is Annotated:
        return _bare(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return next(kind for kind in get_args(hint) if kind is not type(None))
    return hint


def _conversion(kind: Any) -> Callable[[str], Any]:
    if get_origin(kind) is Literal:
        return {choice: choice for choice in get_args(kind)}.__getitem__
    if kind is bool:
        return lambda value: _TRUTH[value.lower()]
    conversions: Mapping[Any, Callable[[str], Any]] = {str: str, int: int, float: float, Path: Path}
    return conversions[kind]


def _expected(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    names = {int: "a whole number", float: "a number", bool: "yes or no", Path: "a path"}
    return names.get(kind, "a text")


def _example(hint: Any) -> str:
    return str(get_args(hint)[1]) if get_origin(hint) is Annotated else "a value"
