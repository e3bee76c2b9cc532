"""The Inbox Service's routes: they translate, the service decides."""

from datetime import datetime
from typing import Annotated, Any

import pydantic
from fastapi import APIRouter, Path, Query
from pydantic.json_schema import SkipJsonSchema

from tidings.api.paging import DEFAULT_LIMIT, Limit
from tidings.api.problems import problem_responses
from tidings.inbox.items import Mark, Status
from tidings.inbox.service import InboxService
from tidings.users.api import UserId

#: the id of an item, as the API's document shows it
_ID: Any = {"format": "uuid", "examples": ["c193b675-bfe4-8224-ba2c-ddafd9ba86e3"]}

ItemId = Annotated[str, Path(alias="item", description="The item's id.", json_schema_extra=_ID)]
OneStatus = Annotated[
    Status | None,
    Query(description="Which items; left out, all that are not archived."),
]
Before = Annotated[
    str | SkipJsonSchema[None],
    Query(
        description="Go on before this item of the user's: `next` of the last page.",
        json_schema_extra=_ID,
    ),
]


class _Out(pydantic.BaseModel):
    """What is read from the values of the service."""

    model_config = pydantic.ConfigDict(from_attributes=True)


class CountsOut(_Out):
    """How much is new, leaving out what is archived."""

    unseen: int = pydantic.Field(description="Not yet shown.")
    unread: int = pydantic.Field(description="Not yet opened.")


class FeedItemOut(_Out):
    """One message in a feed."""

    id: str
    workflow: str = pydantic.Field(description="The key of the workflow that sent it.")
    title: str | None
    body: str
    created_at: datetime
    seen_at: datetime | None
    read_at: datetime | None
    archived_at: datetime | None


class FeedPageOut(_Out):
    """A page of a feed, newest first, with the counts of the whole feed."""

    items: list[FeedItemOut]
    next: str | None = pydantic.Field(description="What `before` is to be for the next page.")
    counts: CountsOut


class MarkedOut(_Out):
    """An item as it now stands, with the counts that came of it."""

    item: FeedItemOut
    counts: CountsOut


def inbox_router(service: InboxService) -> APIRouter:
    """`/v1/users/{id}/feed` and what lies below it."""
    router = APIRouter(prefix="/v1/users/{id}/feed", tags=["inbox"])
    _add_reading(router, service)
    _add_marking(router, service)
    return router


def _add_reading(router: APIRouter, service: InboxService) -> None:
    @router.get(
        "",
        operation_id="list_feed",
        summary="What a user finds in the feed, newest first",
        responses=problem_responses(404, 422, 503),
    )
    async def list_feed(
        user_id: UserId,
        status: OneStatus = None,
        limit: Limit = DEFAULT_LIMIT,
        before: Before = None,
    ) -> FeedPageOut:
        page = await service.list(user_id, status=status, limit=limit, before=before)
        return FeedPageOut.model_validate(page)

    @router.get(
        "/counts",
        operation_id="count_feed",
        summary="How much of a feed is unseen and unread",
        responses=problem_responses(404, 422, 503),
    )
    async def count_feed(user_id: UserId) -> CountsOut:
        return CountsOut.model_validate(await service.counts(user_id))


def _add_marking(router: APIRouter, service: InboxService) -> None:
    @router.post(
        "/seen-all",
        operation_id="mark_all_seen",
        summary="Mark everything as seen that is not archived",
        responses=problem_responses(404, 422, 503),
    )
    async def mark_all_seen(user_id: UserId) -> CountsOut:
        return CountsOut.model_validate(await service.mark_all_seen(user_id))

    @router.post(
        "/read-all",
        operation_id="mark_all_read",
        summary="Mark everything as read that is not archived",
        responses=problem_responses(404, 422, 503),
    )
    async def mark_all_read(user_id: UserId) -> CountsOut:
        return CountsOut.model_validate(await service.mark_all_read(user_id))

    @router.post(
        "/{item}/{mark}",
        operation_id="mark_item",
        summary="Mark an item as seen, read or unread, put it away or back",
        responses=problem_responses(404, 422, 503),
    )
    async def mark_item(user_id: UserId, item_id: ItemId, mark: Mark) -> MarkedOut:
        return MarkedOut.model_validate(await service.mark(user_id, item_id, mark))
