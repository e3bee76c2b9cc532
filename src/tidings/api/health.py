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

_NONE: Mapping[str, Check] = {}


class Readiness:
    """Whether this process can work: what it `needed` answers, and nobody told it to stop.

    What is only `useful` is told of, and it works without.
    """

    def __init__(
        self,
        stopping: asyncio.Event,
        *,
        needed: Mapping[str, Check],
        useful: Mapping[str, Check] = _NONE,
    ) -> None:
        self._stopping = stopping
        self._needed = needed
        self._useful = useful

    async def check(self) -> "ReadinessOut":
        """Ask everything, each within bounded time."""
        needed, useful = await asyncio.gather(_ask(self._needed), _ask(self._useful))
        if self._stopping.is_set():
            needed = {**needed, "process": "stopping: ask another one"}
        ready = all(finding == "ok" for finding in needed.values())
        return ReadinessOut(status="ready" if ready else "not ready", checks={**needed, **useful})


class ReadinessOut(pydantic.BaseModel):
    """Whether the process can work, and what each thing it needs or uses answers."""

    status: Literal["ready", "not ready"]
    checks: dict[str, str] = pydantic.Field(description="`ok`, or the reason why not.")


def health_router(metrics: Metrics, readiness: Readiness) -> APIRouter:
    """`/healthz`, `/readyz` (names what is wrong) and `/metrics`."""
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
        found = await readiness.check()
        response.status_code = 200 if found.status == "ready" else 503
        return found

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics in Prometheus's text form",
        response_class=Response,
    )
    async def show_metrics() -> Response:
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


async def _ask(checks: Mapping[str, Check]) -> dict[str, str]:
    findings = await asyncio.gather(*[_finding(check) for check in checks.values()])
    return dict(zip(checks, findings, strict=True))


async def _finding(check: Check) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check()
    except TidingsError as error:
        return str(error)
    except TimeoutError:
        return f"no answer within {_PATIENCE:g} seconds"
    return "ok"
