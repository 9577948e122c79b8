"""When to try again: the arithmetic, without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc import (
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    MessageTooLarge,
    Overloaded,
    QueueFull,
    RequestCancelled,
    Retry,
    Unavailable,
    UnknownReward,
)
from rewardsvc.client.retry import Attempts, Deadline, explained, is_retryable


def test_the_bound_doubles_up_to_its_maximum():
    retry = Retry(base_delay=0.1, max_delay=1.0, multiplier=2.0)
    assert [retry.bound(n) for n in (1, 2, 3, 4, 5, 500)] == pytest.approx(
        [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    )


@given(
    asked=st.floats(0, 50),
    failures=st.integers(1, 20),
    seconds=st.floats(60, 1e6),
)
def test_a_wait_is_never_earlier_than_asked_and_never_past_the_deadline(asked, failures, seconds):
    deadline = Deadline(seconds)
    attempts = Attempts(Retry(attempts=100), deadline)
    for _ in range(failures):
        delay = attempts.delay_after(Unavailable("gone", asked))
    assert asked <= delay < deadline.remaining + 1e-3


def test_full_jitter_uses_the_whole_range():
    delays = []
    for _ in range(2000):
        attempts = Attempts(Retry(base_delay=1.0), Deadline(1000))
        delays.append(attempts.delay_after(Unavailable("gone")))
    assert min(delays) < 0.05 and max(delays) > 0.95
    assert sum(delays) / len(delays) == pytest.approx(0.5, abs=0.05)


def test_one_attempt_means_no_retries():
    for error in (Unavailable("gone"), QueueFull("full", 0.0)):
        with pytest.raises(type(error)):
            Attempts(Retry(attempts=1), Deadline(10)).delay_after(error)


def test_no_time_left_is_said_with_the_last_failure():
    attempts = Attempts(Retry(), Deadline(1e-9))
    attempts.last = QueueFull("no room", 1.0)
    with pytest.raises(DeadlineExceeded, match="RESOURCE_EXHAUSTED: no room"):
        attempts.timeout()


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (Unavailable("x"), True),
        (QueueFull("x", 1.0), True),
        (Overloaded("x", 1.0), True),
        (RequestCancelled("x"), True),
        (MessageTooLarge("x"), False),
        (InvalidRequest.field("a", "x"), False),
        (UnknownReward("x"), False),
        (DeadlineExceeded("x"), False),
        (InternalError("x"), False),
    ],
)
def test_what_is_retryable(error, retryable):
    assert is_retryable(error) is retryable


def test_an_explained_error_is_a_copy_with_everything_it_had():
    error = QueueFull("full", 2.5)
    final = explained(error, "gave up")
    assert (str(error), str(final)) == ("full", "full (gave up)")
    assert isinstance(final, QueueFull) and final.retry_after_seconds == 2.5
