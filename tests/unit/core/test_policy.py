from datetime import UTC, datetime

import orjson

from tidings.core.policy import USUAL, OnUnknown, RetryRule, SendPolicy
from tidings.store.rows import json_text


def test_a_policy_reads_back_as_it_was_kept() -> None:
    policy = SendPolicy(
        on_unknown=OnUnknown.CHECK,
        retry=RetryRule(attempts=3, max_age=60.0),
        replayed_at=datetime(2026, 11, 30, tzinfo=UTC),
    )

    assert SendPolicy.of(orjson.loads(json_text(policy.kept))) == policy
    assert USUAL.kept is None
    assert SendPolicy.of(None) is USUAL


def test_what_a_newer_release_wrote_is_read_with_caution() -> None:
    kept = {"on_unknown": "ask twice", "retry": {"attempts": 3, "patience": 9}}

    policy = SendPolicy.of(kept)

    assert policy == SendPolicy(on_unknown=OnUnknown.HOLD, retry=RetryRule(attempts=3))
