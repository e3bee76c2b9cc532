"""The Analytics Service's routes."""

from datetime import datetime
from typing import Annotated

import pydantic
from fastapi import APIRouter, Query

from tidings.analytics.service import AnalyticsService
from tidings.analytics.summary import Figures, Summary
from tidings.api.problems import problem_responses

#: the longest a summary reaches back
MOST_HOURS = 7 * 24


class FiguresOut(pydantic.BaseModel):
    """How often each thing happened."""

    registrations: int = pydantic.Field(description="Users registered for the first time.")
    sent: int = pydantic.Field(
        description="Deliveries a provider took, whether they were confirmed later or not."
    )
    delivered: int = pydantic.Field(
        description="Deliveries confirmed by the recipient's side, counted when they were."
    )
    failed: int = pydantic.Field(description="Deliveries given up.")
    retried: int = pydantic.Field(description="Provider calls that failed and are tried again.")
    suppressed: int = pydantic.Field(
        description="Deliveries stopped: the address must not be used."
    )
    skipped: int = pydantic.Field(description="Notifications the planner decided against.")
    expired: int = pydantic.Field(description="Deliveries too old to be sent.")
    cancelled: int = pydantic.Field(description="Deliveries called off.")
    held: int = pydantic.Field(description="Deliveries with an unknown outcome, waiting for you.")


class PointOut(pydantic.BaseModel):
    """The figures of one stretch of time."""

    at: datetime = pydantic.Field(description="Where the stretch begins (UTC).")
    figures: FiguresOut


class SummaryOut(pydantic.BaseModel):
    """The figures of the last hours, in all and by stretches."""

    since: datetime
    until: datetime
    step_seconds: int = pydantic.Field(description="The length of a stretch: 60 or 3600.")
    totals: FiguresOut
    series: list[PointOut] = pydantic.Field(description="Oldest first, without gaps.")


def analytics_router(service: AnalyticsService) -> APIRouter:
    """`GET /v1/analytics/summary`."""
    router = APIRouter(prefix="/v1/analytics", tags=["analytics"])

    @router.get(
        "/summary",
        operation_id="get_analytics_summary",
        summary="What happened in the last hours",
        responses=problem_responses(422, 503),
    )
    async def get_summary(
        hours: Annotated[
            int,
            Query(
                ge=1,
                le=MOST_HOURS,
                description="How far back; by the minute up to 2 hours, by the hour beyond.",
            ),
        ] = 24,
    ) -> SummaryOut:
        return _summary_out(await service.summary(hours=hours))

    return router


def _summary_out(summary: Summary) -> SummaryOut:
    return SummaryOut(
        since=summary.since,
        until=summary.until,
        step_seconds=int(summary.step.total_seconds()),
        totals=_figures_out(summary.totals),
        series=[
            PointOut(at=point.at, figures=_figures_out(point.figures)) for point in summary.series
        ],
    )


def _figures_out(figures: Figures) -> FiguresOut:
    return FiguresOut.model_validate(figures, from_attributes=True)
