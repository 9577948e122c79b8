"""When a failed call is tried again, and when it is given up.

Scoring is idempotent, so a call that nobody answered is simply sent again, to another
address where there is one. The wait is exponential backoff with full jitter (a uniform draw
between 0 and the backoff, which spreads callers that failed together), on top of what the
server's RetryInfo asks for: never earlier than that. A wait that would pass the deadline is
not begun.
"""

from __future__ import annotations

import random
import time
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

from rewardsvc.errors import (
    DeadlineExceeded,
    Overloaded,
    RequestCancelled,
    RewardServiceError,
    Unavailable,
)

_Error = TypeVar("_Error", bound=RewardServiceError)


@dataclass(frozen=True, slots=True)
class Retry:
    """How failed calls are tried again; delays in seconds.

    Tried again are UNAVAILABLE, which includes a connection lost under a call, and
    RESOURCE_EXHAUSTED from a full queue. Wrong requests and messages over the size limit
    never are.
    """

    attempts: int = 30
    """Most tries of a call that nobody answers, at least 1; the default lasts about two
    minutes, in which a server can restart. 1 turns retries off, also those of refused calls.
    A server that refuses for now is alive: beyond 1, only the deadline ends those retries."""
    base_delay: float = 0.1
    """Upper bound of the first wait; greater than 0."""
    max_delay: float = 10.0
    """Upper bound of any wait that the server did not ask for."""
    multiplier: float = 2.0
    """Growth of the bound from one try to the next; at least 1."""
    attempt_timeout: float | None = None
    """Longest single try. None: the whole deadline; a server that died is still noticed, by
    its connection or by keepalive."""

    def __post_init__(self) -> None:
        for name, allowed, fine in (
            ("attempts", "at least 1", self.attempts >= 1),
            ("base_delay", "greater than 0", self.base_delay > 0),
            ("max_delay", "at least base_delay", self.max_delay >= self.base_delay),
            ("multiplier", "at least 1", self.multiplier >= 1),
            (
                "attempt_timeout",
                "greater than 0, or None",
                self.attempt_timeout is None or self.attempt_timeout > 0,
            ),
        ):
            if not fine:
                raise ValueError(f"Retry.{name} is {getattr(self, name)!r}; must be {allowed}")

    def bound(self, failures: int) -> float:
        """Upper bound of the wait after that many failures (1 or more), without RetryInfo."""
        exponent = min(failures - 1, 64)
        return min(self.max_delay, self.base_delay * self.multiplier**exponent)


class Deadline:
    """A point in time, and the timeout that made it."""

    __slots__ = ("at", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = time.monotonic() + seconds

    @property
    def remaining(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at - time.monotonic()

    def exceeded(self, what: str, last: RewardServiceError | None = None) -> DeadlineExceeded:
        """The error that says that `what` did not happen in time."""
        message = f"{what} within {self.seconds:g} s"
        if last is not None:
            message += f"; the last failure was {last.code}: {last.message}"
        return DeadlineExceeded(message)


class Attempts:
    """The tries of one call: counts failures and says how long to wait after each."""

    __slots__ = ("_deadline", "_retry", "last", "unanswered")

    def __init__(self, retry: Retry, deadline: Deadline) -> None:
        self._retry = retry
        self._deadline = deadline
        self.unanswered = 0
        self.last: RewardServiceError | None = None

    def timeout(self) -> float:
        """The longest that the next try may take; raises DeadlineExceeded when none is left."""
        remaining = self._deadline.remaining
        if remaining <= 0:
            raise self._deadline.exceeded("no answer", self.last)
        limit = self._retry.attempt_timeout
        return remaining if limit is None else min(remaining, limit)

    def cut_short(self) -> bool:
        """Whether a try that ran out of time was ended by its own limit, not the deadline."""
        return self._retry.attempt_timeout is not None and self._deadline.remaining > 0

    def delay_after(self, error: RewardServiceError) -> float:
        """Seconds to wait before the next try; raises the error when there is to be none."""
        if not is_retryable(error) or self._retry.attempts == 1:
            raise error
        self.last = error
        if not isinstance(error, Overloaded):
            self.unanswered += 1
            if self.unanswered >= self._retry.attempts:
                raise explained(error, f"gave up after {self.unanswered} attempts")
        asked = getattr(error, "retry_after_seconds", 0.0)
        remaining = self._deadline.remaining
        if asked >= remaining:
            raise explained(
                error,
                f"gave up: the next attempt may come in {asked:g} s at the earliest, past the "
                f"deadline of {self._deadline.seconds:g} s",
            )
        # Half of what is left at most, so that jitter alone never uses the deadline up.
        spread = min(self._retry.bound(max(self.unanswered, 1)), (remaining - asked) / 2)
        return asked + random.uniform(0.0, spread)  # noqa: S311 - jitter, not a secret


def is_retryable(error: RewardServiceError) -> bool:
    """Whether the same call may succeed later, or elsewhere."""
    # A remote cancellation is a server or proxy that stops; the caller's own is no RPC error.
    return isinstance(error, Unavailable | Overloaded | RequestCancelled)


def explained(error: _Error, why: str) -> _Error:
    """The error with a remark on why it is final."""
    # A copy: callers whose samples shared a message share its error.
    final = copy(error)
    final.message = f"{error.message} ({why})"
    final.args = (final.message,)
    return final
