import httpx2
import pytest
from fastapi import FastAPI

from tidings.api.access import LoopbackOnly

app = FastAPI()
app.add_middleware(LoopbackOnly)


@app.get("/v1/things")
@app.get("/register")
async def answer() -> str:
    return "here"


async def status(path: str, *, client: str, host: str) -> int:
    transport = httpx2.ASGITransport(app=app, client=(client, 5000))
    async with httpx2.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
        return (await http.get(path)).status_code


@pytest.mark.parametrize("client", ["127.0.0.1", "127.9.9.9", "::1"])
@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
async def test_this_machine_is_answered(client: str, host: str) -> None:
    assert await status("/v1/things", client=client, host=host) == 200


@pytest.mark.parametrize("client", ["10.0.0.5", "203.0.113.9", "fe80::1"])
async def test_other_machines_are_refused(client: str) -> None:
    assert await status("/v1/things", client=client, host="localhost") == 403


async def test_a_page_that_gives_its_own_name_this_machines_address_is_refused() -> None:
    assert await status("/v1/things", client="127.0.0.1", host="evil.example:8000") == 403


async def test_registering_is_public() -> None:
    assert await status("/register", client="203.0.113.9", host="shop.example") == 200
