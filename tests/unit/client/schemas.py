"""Compares typed answers with the schemas of the OpenAPI document."""

import types
from collections.abc import Mapping
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints

Schema = Mapping[str, Any]

_NAMES: Mapping[Any, str] = {
    str: "string",
    int: "integer",
    bool: "boolean",
    type(None): "null",
}


def differences(answer: type, schema: Schema, schemas: Mapping[str, Schema]) -> list[str]:
    """What a TypedDict and a schema of an object say differently."""
    hints = get_type_hints(answer, include_extras=True)
    said = {name: _of_hint(hint) for name, hint in hints.items()}
    needed = {name for name, hint in hints.items() if get_origin(hint) is not NotRequired}
    meant = {name: _of_schema(each, schemas) for name, each in schema["properties"].items()}
    found = [
        f"{name}: {said.get(name, 'nothing')}, not {meant.get(name, 'nothing')}"
        for name in sorted(said.keys() | meant.keys())
        if said.get(name) != meant.get(name)
    ]
    return found + [
        f"{name} is required by only one of them"
        for name in sorted(needed ^ set(schema.get("required", ())))
    ]


def name_in_document(answer: type, schemas: Mapping[str, Schema]) -> str:
    """The schema a TypedDict mirrors: the one of its name, perhaps with Out behind it."""
    return next(name for name in (f"{answer.__name__}Out", answer.__name__) if name in schemas)


def _of_hint(hint: Any) -> str:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return _of_hint(parts[0])
    if origin in (Union, types.UnionType):
        return _either(_of_hint(part) for part in parts)
    if origin is Literal:
        return _either(repr(part) for part in parts)
    if origin is list:
        return f"list of {_of_hint(parts[0])}"
    if origin is not None and issubclass(origin, Mapping):
        return "object"
    return _NAMES.get(hint, hint.__name__)


def _of_schema(schema: Schema, schemas: Mapping[str, Schema]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = schemas[name]
        return name.removesuffix("Out") if "properties" in target else _of_schema(target, schemas)
    for many in ("anyOf", "oneOf"):
        if many in schema:
            return _either(_of_schema(each, schemas) for each in schema[many])
    if "const" in schema or "enum" in schema:
        return _either(repr(each) for each in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        return f"list of {_of_schema(schema['items'], schemas)}"
    return str(schema["type"])


def _either(kinds: Any) -> str:
    return " or ".join(sorted(kinds))
