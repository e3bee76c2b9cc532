"""The API's document: what FastAPI finds, with our problems and who may ask what."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tidings.api.problems import SCHEMA, problem_responses
from tidings.api.scopes import needed_scope

_SCHEME: Mapping[str, Any] = {
    "type": "http",
    "scheme": "bearer",
    "description": (
        "A key made by `tidings keys create`. Before the first one is made, requests from the "
        "machine itself need none."
    ),
}


def describe(app: FastAPI) -> None:
    """Give the app its document, made when it is first asked for."""
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # FastAPI's documented way


def _document(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = _made(app)
    return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = schema.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = dict(SCHEMA)
    components["securitySchemes"] = {"key": dict(_SCHEME)}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _secure(operation, method.upper(), path)
    return schema


def _secure(operation: dict[str, Any], method: str, path: str) -> None:
    """Say which scope it needs, and how it refuses who lacks it."""
    scope = needed_scope(method, path)
    operation["security"] = [] if scope is None else [{"key": [scope.value]}]
    if scope is not None:
        refusals = {str(status): one for status, one in problem_responses(401, 403).items()}
        operation["responses"] = operation["responses"] | refusals
