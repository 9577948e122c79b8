"""When a failed request is worth sending again, and after how long.

The pause grows as 0.25 s * 2^k up to 30 s, with full jitter (uniform between 0 and that), so
that many clients do not come back at the same instant. A server's Retry-After is a lower bound
of the pause.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["PASSING", "pause_before_retry", "retry_after_seconds"]

PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
"""HTTP statuses that may be gone the next time."""

_FIRST_SECONDS = 0.25
_LONGEST_SECONDS = 30.0


def retry_after_seconds(header: str | None, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks to wait: a number or an HTTP date (RFC 9110).

    0 when there is none, when it cannot be read or when its time has passed.
    """
    if not header:
        return 0.0
    text = header.strip()
    if text.replace(".", "", 1).isdecimal() and text.isascii() and len(text) <= 20:
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


def pause_before_retry(
    retry: int, retry_after: float = 0.0, jitter: Callable[[], float] = random.random
) -> float:
    """Seconds to wait before the `retry`-th retry (the first is 0)."""
    most = min(_FIRST_SECONDS * 2.0 ** min(retry, 32), _LONGEST_SECONDS)
    return max(retry_after, most * jitter())
