"""Names of any script come in by every entrance, and are refused alike."""

import httpx2
import pytest

from tidings.core.errors import InvalidInput
from tidings.testing.fake_system import FakeSystem

GOOD = [
    "Ann",
    "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627",
    "Jean\u00a0Paul",
    "👩\u200d👩\u200d👧",
    "山田\u3000太郎",
    "\u200fדנה",
]
BAD = ["a\nb", "a\r\nBcc: b@example.com", "a\0b", "a\x1b[31m", "a\x85b", "a\u2028b"]


@pytest.mark.parametrize("name", GOOD)
async def test_a_name_of_any_script_is_taken_everywhere(
    system: FakeSystem, http: httpx2.AsyncClient, name: str
) -> None:
    answers = [
        await http.post("/register", params={"email": "a@example.com", "name": name}),
        await http.post("/register", json={"email": "b@example.com", "name": name}),
        await http.put("/v1/users/ann", json={"email": "c@example.com", "name": name}),
        await http.put(f"/v1/users/{name}", json={"name": name}),
        await http.post("/v1/events", json={"type": "GREETED", "user_id": name}),
        await http.post(
            "/v1/messages", json={"to": "d@example.com", "text": name, "subject": name}
        ),
    ]
    await system.register("e@example.com", name=name)

    assert [each.status_code for each in answers] == [202, 202, 201, 201, 202, 202]


@pytest.mark.parametrize("name", BAD)
async def test_a_name_of_two_lines_or_with_controls_is_refused_everywhere(
    system: FakeSystem, http: httpx2.AsyncClient, name: str
) -> None:
    answers = [
        await http.post("/register", params={"email": "a@example.com", "name": name}),
        await http.post("/register", json={"email": "b@example.com", "name": name}),
        await http.put("/v1/users/ann", json={"name": name}),
        await http.post("/v1/events", json={"type": "GREETED", "user_id": name}),
        await http.post(
            "/v1/messages", json={"to": "d@example.com", "text": "hi", "subject": name}
        ),
    ]

    assert [each.json()["field"] for each in answers] == [
        "name",
        "name",
        "name",
        "user_id",
        "subject",
    ]
    assert {each.status_code for each in answers} == {422}
    with pytest.raises(InvalidInput):
        await system.register("e@example.com", name=name)
