"""The dead letters: what came to nothing, found by what it is, inspected, and replayed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from tidings.api.access import ACTOR, MAY_ALL, SOMEBODY
from tidings.core.errors import InvalidInput
from tidings.notifications.dead_letters import LIMITS
from tidings.store.dead_letter_rows import DeadLetter, Kind
from tidings.store.dead_letters import Inspected
from tidings.web.engine import Engine
from tidings.web.forms import read_form, require_own_page
from tidings.web.ports import DeadLetters
from tidings.web.replay_form import (
    BEFORE,
    FILTERS,
    is_in_doubt,
    require_choice,
    require_known,
    require_one,
)
from tidings.web.replay_notice import ReplayNotice, forget, lead_back
from tidings.web.routes import page_route
from tidings.web.security import page_response
from tidings.web.timeline import badge

PAGE_SIZE = 50

#: facts of a letter, by what they are called on its page
_FACTS = {
    "rule": "Rule",
    "workflow": "Workflow",
    "channel": "Channel",
    "provider": "Provider",
    "type": "Event type",
    "bus_channel": "Bus channel",
    "user_id": "User",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Who looks at the page."""

    name: str
    may_replay: bool


def dead_letters_router(*, engine: Engine, dead_letters: DeadLetters) -> APIRouter:
    """`/dead-letters`: the list, each of them, and the forms that replay."""
    router = APIRouter(include_in_schema=False, route_class=page_route(engine))
    pages = _DeadLetterPages(engine, dead_letters)

    @router.get("/dead-letters")
    async def show_letters(request: Request) -> Response:
        html = await pages.told(ReplayNotice.read(request), _reader(request))
        html = html or await pages.list(_asked(request), _reader(request))
        return forget(request, page_response(html))

    @router.post("/dead-letters")
    async def find_letters(request: Request) -> Response:
        fields = await read_form(request)
        require_known(fields, *FILTERS, BEFORE)
        part = "HX-Request" in request.headers
        return page_response(await pages.list(fields, _reader(request), part=part))

    @router.post("/dead-letters/replay")
    async def replay_letters(request: Request) -> Response:
        require_own_page(request)
        fields = await read_form(request)
        return lead_back(request, await pages.replay_all(fields, _reader(request)))

    @router.get("/dead-letters/{kind}/{letter_id}")
    async def show_letter(request: Request, kind: str, letter_id: str) -> Response:
        return page_response(await pages.letter(kind, letter_id, _reader(request)))

    @router.post("/dead-letters/{kind}/{letter_id}/replay")
    async def replay_letter(request: Request, kind: str, letter_id: str) -> Response:
        require_own_page(request)
        fields = await read_form(request)
        done = await pages.replay(kind, letter_id, fields, _reader(request))
        return lead_back(request, done)

    return router


def _asked(request: Request) -> Mapping[str, str]:
    """What a link asks for. Raises InvalidInput for what none can: it would show all instead."""
    require_known(request.query_params, *FILTERS, BEFORE)
    return dict(request.query_params)


class _DeadLetterPages:
    def __init__(self, engine: Engine, dead_letters: DeadLetters) -> None:
        self._engine = engine
        self._dead_letters = dead_letters

    async def list(
        self,
        fields: Mapping[str, str],
        reader: _Reader,
        *,
        part: bool = False,
        done: ReplayNotice | None = None,
    ) -> str:
        """The list, or only the part that changes; `done` is what was replayed just now."""
        wanted = _wanted(fields)
        before = None if done else fields.get(BEFORE) or None
        page = await self._dead_letters.list(**wanted, limit=PAGE_SIZE, before=before)
        return self._engine.render(
            "dead_letters_list.html" if part else "dead_letters.html",
            letters=page.dead_letters,
            older=page.next,
            wanted=wanted,
            fields=[(name, value) for name, value in wanted.items() if value],
            kinds=[str(kind) for kind in Kind],
            limits=LIMITS,
            done=done,
            in_doubt="in_doubt" in fields,
            may_replay=reader.may_replay,
        )

    async def told(self, done: ReplayNotice | None, reader: _Reader) -> str | None:
        """The list that tells what was done; None where nobody here can have done it."""
        if done is None:
            return None
        try:
            return await self.list(done.fields, reader, done=done)
        except InvalidInput:
            return None

    async def letter(self, kind: str, letter_id: str, reader: _Reader) -> str:
        """One of them."""
        found = await self._dead_letters.get(kind, letter_id)
        return self._engine.render(
            "dead_letter.html",
            letter=found.letter,
            facts=_facts(found.letter),
            attempts=_calls(found),
            details=_in_json(found.details),
            may_replay=reader.may_replay,
        )

    async def replay(
        self, kind: str, letter_id: str, fields: Mapping[str, str], reader: _Reader
    ) -> ReplayNotice:
        """Replay one."""
        require_one(fields)
        in_doubt = is_in_doubt(fields)
        await self._dead_letters.replay(kind, letter_id, in_doubt=in_doubt, by=reader.name)
        return ReplayNotice(replayed=1)

    async def replay_all(self, fields: Mapping[str, str], reader: _Reader) -> ReplayNotice:
        """Replay what the form names."""
        require_choice(fields)
        done = await self._dead_letters.replay_all(
            **_wanted(fields),
            in_doubt=is_in_doubt(fields),
            before=fields.get(BEFORE) or None,
            by=reader.name,
        )
        return ReplayNotice.of(done, fields)


def _reader(request: Request) -> _Reader:
    return _Reader(
        name=request.scope.get(ACTOR, SOMEBODY), may_replay=request.scope.get(MAY_ALL, True)
    )


def _wanted(fields: Mapping[str, str]) -> dict[str, Any]:
    """What the form asks for. Nothing but spaces is cut off: the rest is refused, not left open."""
    return {name: fields.get(name, "").strip(" ") or None for name in FILTERS}


def _facts(letter: DeadLetter) -> Sequence[tuple[str, str]]:
    return [
        (title, str(value)) for name, title in _FACTS.items() if (value := getattr(letter, name))
    ]


def _calls(found: Inspected) -> Sequence[Mapping[str, Any]]:
    return [
        {
            "badge": badge(call["outcome"]),
            "provider": call["provider"],
            "error": call["error"],
            "at": call["finished_at"] or call["started_at"],
        }
        for call in found.attempts
    ]


def _in_json(details: Mapping[str, Any]) -> str:
    return orjson.dumps(details, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()
