"""What a replay did, as the list tells it once, after the form that asked for it.

It travels in a cookie: the words that letters were found by stay out of the address.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from http import HTTPStatus
from typing import Self

import pydantic
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tidings.notifications.dead_letters import Replayed

LIST = "/dead-letters"
_COOKIE = "tidings_replayed"
_SECONDS = 60


class ReplayNotice(pydantic.BaseModel):
    """What was replayed just now, and the fields of the form that named it."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    replayed: pydantic.NonNegativeInt
    left: pydantic.NonNegativeInt = 0
    in_doubt: pydantic.NonNegativeInt = 0
    next: str | None = None
    fields: Mapping[str, str] = {}

    @classmethod
    def of(cls, done: Replayed, fields: Mapping[str, str]) -> Self:
        """The notice of a replay that a form asked for."""
        asked = {name: value for name, value in fields.items() if name != "before"}
        return cls(
            replayed=done.replayed,
            left=done.left,
            in_doubt=done.in_doubt,
            next=done.next,
            fields=asked,
        )

    @classmethod
    def read(cls, request: Request) -> Self | None:
        """The one that is to be told by this answer, if there is one."""
        try:
            return cls.model_validate_json(urlsafe_b64decode(request.cookies[_COOKIE]))
        except (KeyError, ValueError):
            return None


def lead_back(request: Request, notice: ReplayNotice) -> Response:
    """To the list, so that a reload asks for nothing again."""
    answer = RedirectResponse(LIST, status_code=HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        _COOKIE,
        urlsafe_b64encode(notice.model_dump_json().encode()).decode(),
        max_age=_SECONDS,
        path=LIST,
        httponly=True,
        secure=request.url.scheme == "https",
        samesite="strict",
    )
    return answer


def forget(request: Request, answer: Response) -> Response:
    """The answer, which tells the browser to forget what it brought, be it readable or not."""
    if _COOKIE in request.cookies:
        answer.delete_cookie(_COOKIE, path=LIST, httponly=True, samesite="strict")
    return answer
