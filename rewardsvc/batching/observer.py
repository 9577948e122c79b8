"""What a batcher tells about its work, for metrics."""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

DropReason: TypeAlias = Literal["expired", "cancelled", "stopped"]
"""Why queued work was not done: its deadline passed, its caller left, or the server stopped."""


class BatchObserver(Protocol):
    """Is called on the event loop for every batch, so it must be cheap and must not raise.

    The depth of the queue is not reported: read `Batcher.queue_depth` and its neighbours.
    """

    def batch_finished(
        self,
        name: str,
        *,
        groups: int,
        samples: int,
        tokens: int,
        longest_queue_seconds: float,
        seconds: float,
    ) -> None:
        """A batch was scored in `seconds`; its oldest group had waited `longest_queue_seconds`."""

    def batch_failed(self, name: str, *, groups: int, samples: int, error: str) -> None:
        """A batch raised or answered in the wrong shape; `error` is the exception's type."""

    def dropped(self, name: str, *, samples: int, why: DropReason) -> None:
        """Queued samples left the queue without being worked on."""
