"""The Template Service's routes: they translate, the service decides."""

from typing import Annotated

import pydantic
from fastapi import APIRouter, Path, Query, Request
from pydantic.json_schema import SkipJsonSchema

from tidings.api.bodies import Body, json_body, read_body
from tidings.api.paging import DEFAULT_LIMIT, Limit, cut
from tidings.api.problems import problem_responses
from tidings.core.errors import InvalidInput
from tidings.core.locales import LOCALE
from tidings.core.names import CHANNEL, KEY
from tidings.core.text import NO_NULL
from tidings.templates.catalog import TemplateVersion
from tidings.templates.checks import checked_name
from tidings.templates.folder import FILE_LIMIT
from tidings.templates.names import HTML, SUBJECT, TEXT
from tidings.templates.service import TemplateService
from tidings.templates.template import Name, Template

#: bytes the body of a template may have
TEMPLATE_BYTES = 4 * 1024 * 1024

TemplateKey = Annotated[
    str, Path(pattern=f"^{KEY}$", description="The template's key.", examples=["order-shipped"])
]
ChannelName = Annotated[
    str, Path(pattern=f"^{CHANNEL}$", description="A channel, as `email`.", examples=["sms"])
]
Tag = Annotated[str, pydantic.Field(max_length=35, json_schema_extra={"pattern": LOCALE})]
Locale = Annotated[
    Tag | SkipJsonSchema[None],
    Query(description="Its language (BCP 47); left out, the one for everybody."),
]
Cursor = Annotated[
    str,
    pydantic.Field(
        max_length=300, json_schema_extra={"pattern": f"^{KEY}/{CHANNEL}/({LOCALE[1:-1]})?$"}
    ),
]
After = Annotated[
    Cursor | SkipJsonSchema[None],
    Query(description="Go on after this one: `next` of the last page."),
]

Source = Annotated[str, pydantic.Field(max_length=FILE_LIMIT, json_schema_extra=NO_NULL)]


class TemplateBody(Body):
    """The parts of a template, as a folder has them in files."""

    text: Source = pydantic.Field(
        description="The text.", examples=["Order {{ data.order }} is on its way."]
    )
    subject: Source | None = pydantic.Field(
        default=None, description="One line; an e-mail needs it."
    )
    html: Source | None = pydantic.Field(default=None, description="The HTML beside the text.")


class TemplateEntry(pydantic.BaseModel):
    """A published template in a line."""

    key: str
    channel: str
    locale: str | None = pydantic.Field(description="Null for the one for everybody.")
    version: str = pydantic.Field(description="A hash of the content.")

    @classmethod
    def of(cls, version: TemplateVersion) -> "TemplateEntry":
        """The template as a list shows it."""
        return cls(
            key=version.key,
            channel=version.channel,
            locale=version.locale or None,
            version=version.version,
        )


class TemplateOut(TemplateEntry):
    """A template with all its parts."""

    text: str
    subject: str | None
    html: str | None


class TemplateListOut(pydantic.BaseModel):
    """A page of templates, in the order of key, channel and locale."""

    templates: list[TemplateEntry]
    next: str | None = pydantic.Field(description="What `after` is to be for the next page.")


def templates_router(service: TemplateService) -> APIRouter:
    """`/v1/templates` and `/v1/templates/{key}/{channel}`."""
    router = APIRouter(prefix="/v1/templates", tags=["templates"])
    _add_reading(router, service)
    _add_writing(router, service)
    return router


def _add_reading(router: APIRouter, service: TemplateService) -> None:
    @router.get(
        "",
        operation_id="list_templates",
        summary="All published templates",
        responses=problem_responses(422, 503),
    )
    async def list_templates(limit: Limit = DEFAULT_LIMIT, after: After = None) -> TemplateListOut:
        start = None if after is None else _name(after)
        found = await service.list(limit=limit + 1, after=start)
        shown, following = cut(found, limit, _cursor)
        return TemplateListOut(templates=[TemplateEntry.of(one) for one in shown], next=following)

    @router.get(
        "/{key}/{channel}",
        operation_id="get_template",
        summary="A published template",
        responses=problem_responses(404, 422, 503),
    )
    async def get_template(
        key: TemplateKey, channel: ChannelName, locale: Locale = None
    ) -> TemplateOut:
        return _template_out(await service.get(key, channel, locale=locale))


def _add_writing(router: APIRouter, service: TemplateService) -> None:
    @router.put(
        "/{key}/{channel}",
        operation_id="put_template",
        summary="Publish a template in place of what was there",
        responses=problem_responses(413, 422, 503),
        openapi_extra=json_body(TemplateBody),
    )
    async def put_template(
        key: TemplateKey, channel: ChannelName, request: Request, locale: Locale = None
    ) -> TemplateOut:
        body = await read_body(request, TemplateBody, limit=TEMPLATE_BYTES)
        parts = body.model_dump()
        return _template_out(await service.put(key, channel, locale=locale, **parts))

    @router.delete(
        "/{key}/{channel}",
        operation_id="delete_template",
        summary="Withdraw a template that was put",
        responses=problem_responses(404, 409, 422, 503),
    )
    async def delete_template(
        key: TemplateKey, channel: ChannelName, locale: Locale = None
    ) -> TemplateOut:
        return _template_out(await service.withdraw(key, channel, locale=locale))


def _cursor(entry: TemplateVersion) -> str:
    return f"{entry.key}/{entry.channel}/{entry.locale}"


def _name(cursor: str) -> Name:
    """Raises InvalidInput for what no page gave as `next`."""
    try:
        key, channel, locale = cursor.split("/")
        return checked_name(key, channel, locale or None)
    except (ValueError, InvalidInput):
        raise InvalidInput("after: must be `next` of the page before", field="after") from None


def _template_out(template: Template) -> TemplateOut:
    return TemplateOut(
        key=template.key,
        channel=template.channel,
        locale=template.locale or None,
        version=template.version,
        text=template.parts[TEXT],
        subject=template.parts.get(SUBJECT),
        html=template.parts.get(HTML),
    )
