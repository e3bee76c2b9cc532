from datetime import UTC, datetime

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tidings.channels.http.answers import error_for, id_in, object_in
from tidings.core.errors import DeliveryError, OutcomeUnknown, TransientError
from tidings.egress.http import Answer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = st.sampled_from(["id", "reason", "detail", "message", "error"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
BODIES = st.binary() | VALUES.map(orjson.dumps)


@given(status=st.integers(-1, 9999), body=BODIES, wait=st.text())
def test_every_answer_there_could_be_has_a_meaning(status: int, body: bytes, wait: str) -> None:
    answer = Answer(status=status, headers={"retry-after": wait}, body=body)

    error = error_for(answer, now=NOW, hidden=(None,))

    assert isinstance(error, DeliveryError)
    assert len(str(error).splitlines()) == 1


@given(content=st.dictionaries(NAMES, VALUES))
def test_whatever_an_object_holds_an_id_is_a_text_or_none(content: dict[str, object]) -> None:
    found = id_in(object_in(Answer(status=200, body=orjson.dumps(content))))

    assert found is None or isinstance(found, str)


@given(status=st.sampled_from([302, 401, 402, 404, 408, 409, 425, 429, 500, 502, 503, 504, 600]))
def test_whoever_asks_for_time_gets_it(status: int) -> None:
    answer = Answer(status=status, headers={"retry-after": "60"})

    error = error_for(answer, now=NOW, hidden=())

    assert isinstance(error, TransientError | OutcomeUnknown)
    assert error.retry_after == 60
