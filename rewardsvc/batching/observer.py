"""What a batcher tells about its work, for metrics."""

from __future__ import annotations

import logging
from typing import Literal, Protocol, TypeAlias

from rewardsvc.batching.batch import Batch

logger = logging.getLogger(__name__)

DropReason: TypeAlias = Literal["expired", "cancelled", "stopped"]
"""Why queued work was not done: its deadline passed, its caller left, or the server stopped."""


WRONG_ANSWER = "WrongAnswer"
"""What `batch_failed` gets when the scorer did not raise but answered nonsense."""


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
        """A batch raised or answered in the wrong shape; `error` is the exception's
        type, or `WrongAnswer`."""

    def dropped(self, name: str, *, samples: int, why: DropReason) -> None:
        """Queued samples left the queue without being worked on."""


class Reports:
    """Tells an observer, if there is one, and the log what became of batches."""

    def __init__(self, name: str, observer: BatchObserver | None) -> None:
        self._name = name
        self._observer = observer

    def finished(self, batch: Batch, seconds: float, wrong: str) -> None:
        """A batch came back; `wrong` is what was wrong with the answer, or empty."""
        if wrong:
            logger.error("%s", wrong)
        observer = self._observer
        if observer is None:
            return
        groups = len(batch.groups)
        if wrong:
            observer.batch_failed(
                self._name, groups=groups, samples=batch.samples, error=WRONG_ANSWER
            )
            return
        oldest = min(portion.submission.arrival for portion in batch.portions)
        observer.batch_finished(
            self._name,
            groups=groups,
            samples=batch.samples,
            tokens=batch.tokens,
            longest_queue_seconds=batch.started - oldest,
            seconds=seconds,
        )

    def failed(self, batch: Batch, error: BaseException) -> None:
        """A batch raised."""
        if self._observer is not None:
            self._observer.batch_failed(
                self._name,
                groups=len(batch.groups),
                samples=batch.samples,
                error=type(error).__name__,
            )

    def dropped(self, samples: int, why: DropReason) -> None:
        """Queued samples were dropped."""
        if self._observer is not None:
            self._observer.dropped(self._name, samples=samples, why=why)
