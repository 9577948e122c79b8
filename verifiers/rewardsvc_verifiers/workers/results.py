"""What became of a job."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobStatus(StrEnum):
    """How a job ended."""

    OK = "ok"
    TIME_LIMIT = "time_limit"
    """It ran for the whole time limit and was killed."""
    MEMORY_LIMIT = "memory_limit"
    DIED = "died"
    """Its worker died, and so did the fresh worker that it was given."""
    ERROR = "error"
    """The function raised, or the worker answered nonsense."""
    UNAVAILABLE = "unavailable"
    """No worker could be started, or the pool was closed first."""


@dataclass(frozen=True, slots=True)
class JobResult:
    """The outcome of one job; `value` is None unless `status` is `ok`."""

    status: JobStatus
    value: Any = None
    message: str = ""
    seconds: float = 0.0
    """Execution as the parent saw it, without queueing."""
