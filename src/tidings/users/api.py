"""The User Service's routes: they translate, the service decides."""

from http import HTTPStatus
from typing import Annotated

import pydantic
from fastapi import APIRouter, Path, Request, Response

from tidings.api.bodies import Body, json_body, read_body
from tidings.api.problems import problem_responses
from tidings.core.locales import LOCALE
from tidings.core.names import CHANNEL, KEY
from tidings.core.text import CONTROLS
from tidings.users.choices import LIMIT
from tidings.users.people import NAME, Preference, User
from tidings.users.service import UserService

#: the rules of `people` and `choices`, as the API's document can say them
_ID = rf"^(?!\.{{1,2}}$)[^/{CONTROLS}\ufffd]+$"
_WORKFLOW = rf"^(\*|{KEY})$"
_CHANNEL = rf"^(\*|{CHANNEL})$"

UserId = Annotated[
    str,
    Path(
        alias="id",
        description="Your own id of the user: 1 to 255 characters without a slash.",
        examples=["u1"],
        json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": _ID},
    ),
]


class UserIn(Body):
    """A user as you want one; what is left out is gone afterwards."""

    email: str | None = pydantic.Field(
        default=None,
        description="Where e-mail reaches the user.",
        examples=["ann@example.com"],
        json_schema_extra={"format": "email", "maxLength": 254},
    )
    name: str | None = pydantic.Field(
        default=None,
        description="What to call the user: one line.",
        examples=["Ann"],
        json_schema_extra={"minLength": 1, "maxLength": 255, "pattern": NAME},
    )
    locale: str | None = pydantic.Field(
        default=None,
        description="The language to write in (BCP 47).",
        examples=["pt-BR"],
        json_schema_extra={"pattern": LOCALE},
    )


class UserOut(pydantic.BaseModel):
    """A user as stored, the address in its normal form."""

    id: str
    email: str | None
    email_status: str | None = pydantic.Field(
        description="`active`, `rejected` once a provider refused the address for good, or "
        "`suppressed` while nothing may be sent to it."
    )
    name: str | None
    locale: str | None
    consent_version: int = pydantic.Field(
        description="Rises whenever the address or a preference changes."
    )


class PreferenceItem(Body):
    """Whether the user wants a workflow on a channel."""

    workflow: str = pydantic.Field(
        description="A workflow's key, or `*`.",
        examples=["welcome"],
        json_schema_extra={"pattern": _WORKFLOW},
    )
    channel: str = pydantic.Field(
        description="A channel, or `*`.",
        examples=["email"],
        json_schema_extra={"pattern": _CHANNEL},
    )
    enabled: bool


class PreferenceList(Body):
    """All that the user chose; the most specific choice wins, and without any it is on."""

    preferences: list[PreferenceItem] = pydantic.Field(max_length=LIMIT)


def users_router(service: UserService) -> APIRouter:
    """`/v1/users/{id}` and `/v1/users/{id}/preferences`."""
    router = APIRouter(prefix="/v1/users", tags=["users"])
    _add_user_routes(router, service)
    _add_preference_routes(router, service)
    return router


def _add_user_routes(router: APIRouter, service: UserService) -> None:
    @router.put(
        "/{id}",
        operation_id="put_user",
        summary="Make or replace a user",
        responses={
            201: {"model": UserOut, "description": "There was no such user before."},
            **problem_responses(413, 422, 503),
        },
        openapi_extra=json_body(UserIn),
    )
    async def put_user(user_id: UserId, request: Request, response: Response) -> UserOut:
        body = await read_body(request, UserIn)
        saved = await service.put(user_id, email=body.email, name=body.name, locale=body.locale)
        response.status_code = HTTPStatus.CREATED if saved.created else HTTPStatus.OK
        return _user_out(saved.user)

    @router.get(
        "/{id}",
        operation_id="get_user",
        summary="Show a user",
        responses=problem_responses(404, 422, 503),
    )
    async def get_user(user_id: UserId) -> UserOut:
        return _user_out(await service.get(user_id))


def _add_preference_routes(router: APIRouter, service: UserService) -> None:
    @router.put(
        "/{id}/preferences",
        operation_id="put_preferences",
        summary="Replace what a user chose to be told",
        responses=problem_responses(404, 413, 422, 503),
        openapi_extra=json_body(PreferenceList),
    )
    async def put_preferences(user_id: UserId, request: Request) -> PreferenceList:
        body = await read_body(request, PreferenceList)
        wanted = [Preference(**item.model_dump()) for item in body.preferences]
        return _preference_list(await service.set_preferences(user_id, wanted))

    @router.get(
        "/{id}/preferences",
        operation_id="get_preferences",
        summary="Show what a user chose to be told",
        responses=problem_responses(404, 422, 503),
    )
    async def get_preferences(user_id: UserId) -> PreferenceList:
        return _preference_list(await service.preferences(user_id))


def _user_out(user: User) -> UserOut:
    return UserOut.model_validate(user, from_attributes=True)


def _preference_list(preferences: list[Preference]) -> PreferenceList:
    return PreferenceList(
        preferences=[
            PreferenceItem.model_validate(choice, from_attributes=True) for choice in preferences
        ]
    )
