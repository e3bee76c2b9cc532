"""The OpenAPI document is true: schemathesis finds nothing in the API, but what is planted."""

import os
import re

import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from starlette.responses import JSONResponse

from tests.system.fuzzing import WholeApi, fuzz

#: a longer run, with data of its own each time: `TIDINGS_TEST_EXAMPLES=500 make test ARGS=…`
EXAMPLES = int(os.environ.get("TIDINGS_TEST_EXAMPLES", "0"))

#: what no schema can say, as the API's refusals say it
UNSAYABLE = re.compile(
    "this Idempotency-Key came before with another body: use a new key"
    "|id .* came before with another content: use a new id"
    "|channel .* is (none of TIDINGS_BUS_CHANNELS|for Tidings' own news)"
    r"|(the body|data) has more than \d+ bytes"
    "|data.* (is an integer beyond 64 bits|holds a null character|lies more than 32 levels deep)"
    "|data.* has a key (of more than 255 characters|that holds a null character)"
    "|body: give a query or a body, not both"
    r"|email: (give \?email=… or a JSON body|Field required)"
    "|(email|to|address): .*(address|@-sign|domain|invisible characters).*"
    "|channel: everybody has a feed; turn it off by a preference"
    "|channel: must be one that has addresses: .*"
    "|name what to call off by one of cancel_key, event_id, notification_id"
    "|retry: cap is the longest wait: it can't be shorter than base, the first"
    "|expires_at: must lie in the future"
    r"|preferences\.\d+: says again what another one decides"
    r"|steps\.\d+\.template: there is no template .* for .*: add .* or put one with PUT .*"
    r"|steps\.\d+\.delay: a delay must be longer than nothing and at most 366 days"
    "|steps: the last step must not be a delay: nothing would come of it"
    "|subject: a template for email needs one"
    "|key: must be .*, as in the address, or left out"
    '|all: say which by a field, or "all": true'
    "|before: must be the id of an item in the user's feed",
    re.DOTALL,
)


def is_unsayable(detail: str) -> bool:
    return UNSAYABLE.fullmatch(detail) is not None


@pytest.mark.slow
@pytest.mark.timeout(120 + 20 * EXAMPLES)
def test_the_document_is_true_of_every_operation() -> None:
    report = fuzz(WholeApi(), examples=EXAMPLES or 10, random=bool(EXAMPLES), excused=is_unsayable)

    assert report.failures == []
    assert report.operations - report.succeeded == set()
    assert report.cases > 500


class Item(BaseModel):
    name: str


def planted() -> FastAPI:
    """An app whose routes break their word, each in its own way."""
    app = FastAPI()

    @app.get("/good")
    async def good(limit: int = 1) -> Item:
        return Item(name="x" * min(limit, 1))

    @app.get("/broken")
    async def broken() -> JSONResponse:
        return JSONResponse({}, status_code=500)

    @app.get("/other-shape", response_model=Item)
    async def other_shape() -> JSONResponse:
        return JSONResponse({"name": 7})

    @app.get("/other-status", response_model=Item)
    async def other_status() -> JSONResponse:
        return JSONResponse({"name": "x"}, status_code=202)

    limit = {"name": "limit", "in": "query", "schema": {"type": "integer"}}

    @app.get("/takes-anything", openapi_extra={"parameters": [limit]})
    async def takes_anything() -> Item:
        return Item(name="x")

    @app.get("/refuses", responses={400: {}})
    async def refuses(limit: int = 1) -> Item:
        raise HTTPException(400, f"{limit} is refused")

    @app.get("/excused", responses={400: {}})
    async def refuses_what_no_schema_can_say(limit: int = 1) -> Item:
        raise HTTPException(400, f"{limit} came before")

    return app


def test_planted_faults_are_found() -> None:
    report = fuzz(planted(), examples=5, excused=lambda detail: detail.endswith("came before"))

    found = {failure.partition(":")[0] for failure in report.failures}
    assert found == {
        "GET /broken",
        "GET /other-shape",
        "GET /other-status",
        "GET /takes-anything",
        "GET /refuses",
    }
    assert report.operations - report.succeeded == {"GET /broken", "GET /refuses", "GET /excused"}
