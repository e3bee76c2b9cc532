from datetime import UTC

import orjson
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.policy import USUAL, OnUnknown, RetryRule, SendPolicy
from tidings.store.rows import json_text

SECONDS = st.none() | st.floats(0, 1e9)
POLICIES = st.builds(
    SendPolicy,
    on_unknown=st.sampled_from(OnUnknown),
    retry=st.none()
    | st.builds(
        RetryRule,
        attempts=st.none() | st.integers(1, 1000),
        max_age=SECONDS,
        base=SECONDS,
        cap=SECONDS,
    ),
    replayed_at=st.none() | st.datetimes(timezones=st.just(UTC)),
)


@given(POLICIES)
def test_a_policy_reads_back_as_it_was_kept(policy: SendPolicy) -> None:
    assert SendPolicy.of(policy.kept) == policy
    assert SendPolicy.of(orjson.loads(json_text(policy.kept))) == policy


def test_the_usual_policy_keeps_nothing() -> None:
    assert USUAL.kept is None
    assert SendPolicy.of(None) is USUAL


def test_a_policy_that_was_never_replayed_says_nothing_of_it() -> None:
    policy = SendPolicy(on_unknown=OnUnknown.CHECK)

    assert policy.kept == {"on_unknown": "check", "retry": None}


def test_what_a_newer_release_wrote_is_read_with_caution() -> None:
    kept = {"on_unknown": "ask twice", "retry": {"attempts": 3, "patience": 9}}

    policy = SendPolicy.of(kept)

    assert policy == SendPolicy(on_unknown=OnUnknown.HOLD, retry=RetryRule(attempts=3))
