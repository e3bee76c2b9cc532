"""What a template may speak of: `user`, `event` and `data`, as plain values."""

from collections.abc import Mapping
from typing import Any

from tidings.core.errors import TemplateError

#: the names a template may use
NAMES = frozenset({"user", "event", "data"})

#: how deep objects and lists may lie in each other
DEPTH_LIMIT = 100


def plain(context: Mapping[str, Any]) -> dict[str, Any]:
    """The context as new dicts, lists, strings and numbers, and nothing else.

    A template reads public attributes of any other object, and takes a string subclass's word that
    it needs no escaping. Raises TemplateError naming the value.
    """
    return {key: _plain(value, key, DEPTH_LIMIT) for key, value in context.items()}


def _plain(value: Any, place: str, depth: int) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        raise TemplateError(f"{place}: lies more than {DEPTH_LIMIT} levels deep")
    if isinstance(value, Mapping):
        return {_name(k, place): _plain(v, f"{place}.{k}", depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, f"{place}.{i}", depth - 1) for i, item in enumerate(value)]
    raise TemplateError(f"{place}: a template can't use a {type(value).__name__}")


def _name(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise TemplateError(f"{place}: its keys must be strings")
    return str.__str__(key)
