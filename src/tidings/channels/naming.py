"""Errors name the variables of the integration: a provider knows none but those of its own name."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tidings.core.errors import TidingsError

Named = Callable[[str], str]
"""Puts the names of the variables that are set into a text, in place of the provider's own."""


@contextmanager
def naming(named: Named) -> Iterator[None]:
    """What is raised within says so; its class and all else of it stay."""
    try:
        yield
    except TidingsError as error:
        error.args = (named(str(error)),)
        raise
