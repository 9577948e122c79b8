"""Everything that can go wrong with a request as a whole, on either side of the wire.

    RewardServiceError
    ├── ConfigError               a configuration file; never crosses the wire
    ├── InvalidRequest            INVALID_ARGUMENT     names the field, the value, what is allowed
    ├── UnknownReward             NOT_FOUND            lists the rewards there are
    ├── Overloaded                RESOURCE_EXHAUSTED   says when to come back
    │   ├── QueueFull
    │   └── DeadlineUnreachable   the deadline would pass before the work is done
    ├── MessageTooLarge           RESOURCE_EXHAUSTED   names ScoreStream
    ├── Unavailable               UNAVAILABLE          draining, or nobody is there
    ├── DeadlineExceeded          DEADLINE_EXCEEDED
    ├── RequestCancelled          CANCELLED
    └── InternalError             INTERNAL             a defect of the service

The server raises these, the wire carries them as google.rpc.Status with details, and the
client raises them again. A single sample's trouble is never one of these: it is the status
and reason of its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class RewardServiceError(Exception):
    """Root of the tree; `code` is the gRPC status code's name, `reason` is for programs."""

    code = "UNKNOWN"
    reason = "UNKNOWN"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = ""
        """The id that the server's log has the request under, where the server said it."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Trainers send errors between processes; subclasses take other arguments than `args`.
        return _remade, (type(self), self.args, self.__dict__)


def _remade(
    kind: type[RewardServiceError], args: tuple[Any, ...], facts: dict[str, Any]
) -> RewardServiceError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class ConfigError(RewardServiceError):
    """A configuration is wrong: names the file, the key, and what is allowed."""

    code = "FAILED_PRECONDITION"
    reason = "CONFIG_INVALID"


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong field of a request: its path, and what is wrong with its value."""

    field: str
    description: str


class InvalidRequest(RewardServiceError):
    """The request is wrong and will be wrong again: do not retry."""

    code = "INVALID_ARGUMENT"
    reason = "REQUEST_INVALID"

    def __init__(self, *violations: FieldViolation, message: str = "") -> None:
        text = message or "; ".join(f"{v.field}: {v.description}" for v in violations)
        super().__init__(text)
        self.violations = violations

    @classmethod
    def field(cls, path: str, description: str) -> InvalidRequest:
        """The error for one wrong field."""
        return cls(FieldViolation(path, description))


class UnknownReward(RewardServiceError):
    """No reward of that name is configured."""

    code = "NOT_FOUND"
    reason = "REWARD_UNKNOWN"


class Overloaded(RewardServiceError):
    """The work was refused at once; it may succeed after `retry_after_seconds`."""

    code = "RESOURCE_EXHAUSTED"
    reason = "OVERLOADED"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QueueFull(Overloaded):
    """The scorer's queue has no room."""

    reason = "QUEUE_FULL"


class DeadlineUnreachable(Overloaded):
    """The work is predicted to end after the caller's deadline."""

    reason = "DEADLINE_UNREACHABLE"


class MessageTooLarge(RewardServiceError):
    """One message is over the size limit; ScoreStream takes any number of smaller ones."""

    code = "RESOURCE_EXHAUSTED"
    reason = "MESSAGE_TOO_LARGE"


class Unavailable(RewardServiceError):
    """Nobody is there to answer, or the server is draining; another one may answer."""

    code = "UNAVAILABLE"
    reason = "UNAVAILABLE"

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeadlineExceeded(RewardServiceError):
    """The caller's deadline passed."""

    code = "DEADLINE_EXCEEDED"
    reason = "DEADLINE_EXCEEDED"


class RequestCancelled(RewardServiceError):
    """The caller went away."""

    code = "CANCELLED"
    reason = "CANCELLED"


class InternalError(RewardServiceError):
    """A defect of the service; the server's log has the trace under the request id."""

    code = "INTERNAL"
    reason = "INTERNAL"

    @classmethod
    def of(cls, error: BaseException) -> InternalError:
        """What the caller is told of an exception that nobody expected."""
        return cls(
            f"a defect of the service ({type(error).__name__}); "
            "its log has the trace under the request id"
        )
