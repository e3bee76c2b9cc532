from tidings.core.policy import USUAL, OnUnknown, RetryRule, SendPolicy


def test_a_policy_reads_back_as_it_was_kept() -> None:
    policy = SendPolicy(on_unknown=OnUnknown.CHECK, retry=RetryRule(attempts=3, max_age=60.0))

    assert SendPolicy.of(policy.kept) == policy
    assert USUAL.kept is None
    assert SendPolicy.of(None) is USUAL


def test_what_a_newer_release_wrote_is_read_with_caution() -> None:
    kept = {"on_unknown": "ask twice", "retry": {"attempts": 3, "patience": 9}}

    policy = SendPolicy.of(kept)

    assert policy == SendPolicy(on_unknown=OnUnknown.HOLD, retry=RetryRule(attempts=3))
