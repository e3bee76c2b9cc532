import pytest

from tidings.client.transport import path_of, query_of
from tidings.core.errors import InvalidInput


def test_a_path_has_each_part_as_one_segment() -> None:
    assert path_of("users", "a/b c?é") == "/v1/users/a%2Fb%20c%3F%C3%A9"


@pytest.mark.parametrize("part", ["", ".", "..", "\ud800"])
def test_what_would_be_another_path_is_refused(part: str) -> None:
    with pytest.raises(InvalidInput):
        path_of("users", part)


def test_a_query_has_what_was_given() -> None:
    assert query_of({}) == query_of({"after": None}) == ""
    assert query_of({"limit": 5, "after": "a/b&c", "locale": None}) == "?limit=5&after=a%2Fb%26c"
    with pytest.raises(InvalidInput):
        query_of({"after": "\ud800"})
