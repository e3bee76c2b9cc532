"""Whether the process lives, whether it can work, and its metrics."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from tidings.core.errors import TidingsError
from tidings.core.metrics import Metrics

Check = Callable[[], Awaitable[object]]


def health_router(metrics: Metrics, checks: Mapping[str, Check]) -> APIRouter:
    """`/healthz`, `/readyz` (names what is wrong) and `/metrics`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", operation_id="healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        operation_id="readyz",
        summary="The process can work; names what is wrong",
        responses={503: {"description": "Something it needs does not answer"}},
    )
    async def readyz() -> JSONResponse:
        findings = {name: await _finding(check) for name, check in checks.items()}
        ready = all(finding == "ok" for finding in findings.values())
        body: dict[str, Any] = {"status": "ready" if ready else "not ready", "checks": findings}
        return JSONResponse(body, status_code=200 if ready else 503)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics in Prometheus's text form",
        response_class=Response,
    )
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _finding(check: Check) -> str:
    try:
        await check()
    except TidingsError as error:
        return str(error)
    return "ok"
