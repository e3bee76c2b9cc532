"""What a template may speak of: `user`, `event` and `data`, as plain values."""

from collections.abc import Mapping
from typing import Any

from tidings.core.errors import TemplateError

#: the names a template may use
NAMES = frozenset({"user", "event", "data"})

#: how deep objects and lists may lie in each other
DEPTH_LIMIT = 100


class _Hidden:
    """A public attribute of Python's own that a template must not find."""

    def __get__(self, holder: object, owner: type) -> Any:
        raise AttributeError


def _hidden(kind: type) -> Mapping[str, _Hidden]:
    return {name: _Hidden() for name in dir(kind) if not name.startswith("_")}


class _Object(dict[str, Any]):
    """An object of the context, none of whose keys is ever taken for a method of Python.

    The engine takes a value for a mapping only if it has `items`, and asks for the attribute
    again right after a key of that name was missing: then, and only then, it is not there.
    """

    vars().update(_hidden(dict))
    _missing_items = False

    def __missing__(self, key: object) -> Any:
        self._missing_items = key == "items"
        raise KeyError(key)

    def __getattr__(self, name: str) -> Any:
        missing, self._missing_items = self._missing_items, False
        if name != "items" or missing:
            raise AttributeError(f"there is no method {name}")
        return self._pairs

    def _pairs(self) -> list[Any]:
        return _List(_List(pair) for pair in dict.items(self))


class _List(list[Any]):
    """A list of the context."""

    vars().update(_hidden(list))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"there is no method {name}")


class _ListWithNulls(_List):
    """A list of the context in which nulls count, and are not defined."""

    def __getitem__(self, index: Any) -> Any:
        item = super().__getitem__(index)
        if item is None:
            raise IndexError(index)
        return item


def plain(context: Mapping[str, Any]) -> dict[str, Any]:
    """The context as new objects, lists, strings and numbers, and nothing else; without nulls.

    A template reads public attributes of any other object, and takes a string subclass's word that
    it needs no escaping. Raises TemplateError naming the value.
    """
    return {
        key: _plain(value, key, DEPTH_LIMIT) for key, value in context.items() if value is not None
    }


def _plain(value: Any, place: str, depth: int) -> Any:
    if isinstance(value, str):
        return str.__str__(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0:
        raise TemplateError(f"{place}: lies more than {DEPTH_LIMIT} levels deep")
    if isinstance(value, (dict, Mapping)):  # a dict is known for one at once
        return _object(value, place, depth - 1)
    if isinstance(value, list | tuple):
        kind = _ListWithNulls if None in value else _List
        return kind(_plain(item, f"{place}.{i}", depth - 1) for i, item in enumerate(value))
    raise TemplateError(f"{place}: a template can't use a {type(value).__name__}")


def _object(value: Mapping[Any, Any], place: str, depth: int) -> _Object:
    return _Object(
        (_name(key, place), _plain(item, f"{place}.{key}", depth))
        for key, item in value.items()
        if item is not None
    )


def _name(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise TemplateError(f"{place}: its keys must be strings")
    return str.__str__(key)
