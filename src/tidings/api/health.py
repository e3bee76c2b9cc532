"""Whether the process lives, whether it can work, and its metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal

import pydantic
from fastapi import APIRouter
from starlette.responses import Response

from tidings.core.errors import TidingsError
from tidings.core.metrics import Metrics

#: seconds a check may take
_PATIENCE = 2.0

Check = Callable[[], Awaitable[object]]


class ReadinessOut(pydantic.BaseModel):
    """Whether the process can work, and what each thing it needs answers."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] = pydantic.Field(description="`ok`, or the reason why not.")


def health_router(metrics: Metrics, checks: Mapping[str, Check], *, look: Check) -> APIRouter:
    """`/healthz`, `/readyz` (names what is wrong) and `/metrics`, after a `look`."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", operation_id="healthz", summary="The process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get(
        "/readyz",
        operation_id="readyz",
        summary="The process can work; names what is wrong",
        responses={
            503: {"model": ReadinessOut, "description": "Something it needs does not answer."}
        },
    )
    async def readyz(response: Response) -> ReadinessOut:
        findings = {name: await _finding(check) for name, check in checks.items()}
        ready = all(finding == "ok" for finding in findings.values())
        response.status_code = 200 if ready else 503
        return ReadinessOut(status="ready" if ready else "not ready", checks=findings)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics in Prometheus's text form",
        response_class=Response,
    )
    async def show_metrics() -> Response:
        await look()
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _finding(check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check()
    except TidingsError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} seconds"
    return "ok"
