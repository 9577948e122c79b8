"""Errors of whole requests: the exception tree to google.rpc.Status with details, and back.

Every failure carries an ErrorInfo with a machine-readable reason; wrong requests a
BadRequest with field paths; refusals a RetryInfo; a full queue a QuotaFailure.
"""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from rewardsvc.errors import (
    DeadlineExceeded,
    DeadlineUnreachable,
    FieldViolation,
    InternalError,
    InvalidRequest,
    MessageTooLarge,
    Overloaded,
    QueueFull,
    RequestCancelled,
    RewardServiceError,
    Unavailable,
    UnknownReward,
)

DOMAIN = "rewardsvc"
CODES = {
    name: number
    for number, name in enumerate(
        (
            "OK",
            "CANCELLED",
            "UNKNOWN",
            "INVALID_ARGUMENT",
            "DEADLINE_EXCEEDED",
            "NOT_FOUND",
            "ALREADY_EXISTS",
            "PERMISSION_DENIED",
            "RESOURCE_EXHAUSTED",
            "FAILED_PRECONDITION",
            "ABORTED",
            "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
            "UNAUTHENTICATED",
        )
    )
}
_NAMES = {number: name for name, number in CODES.items()}


def status_of(error: RewardServiceError, request_id: str = "") -> status_pb2.Status:
    """The google.rpc.Status of an error, with details and the id that the log has it under."""
    status = status_pb2.Status(code=CODES[error.code], message=error.message)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN))
    if request_id:
        status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    if isinstance(error, InvalidRequest):
        bad_request = error_details_pb2.BadRequest()
        for violation in error.violations:
            bad_request.field_violations.add(
                field=violation.field, description=violation.description
            )
        status.details.add().Pack(bad_request)
    if isinstance(error, Overloaded | Unavailable) and error.retry_after_seconds > 0:
        delay = Duration()
        delay.FromNanoseconds(int(error.retry_after_seconds * 1e9))
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    if isinstance(error, QueueFull):
        quota = error_details_pb2.QuotaFailure()
        quota.violations.add(subject="queue", description=error.message)
        status.details.add().Pack(quota)
    return status


def error_of(status: status_pb2.Status) -> RewardServiceError:
    """The exception that a google.rpc.Status stands for, also one without our details."""
    reason, request_id, retry_after = "", "", 0.0
    violations: tuple[FieldViolation, ...] = ()
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        request = error_details_pb2.RequestInfo()
        retry = error_details_pb2.RetryInfo()
        bad_request = error_details_pb2.BadRequest()
        if detail.Unpack(info):
            reason = info.reason
        elif detail.Unpack(request):
            request_id = request.request_id
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToNanoseconds() / 1e9
        elif detail.Unpack(bad_request):
            violations = tuple(
                FieldViolation(violation.field, violation.description)
                for violation in bad_request.field_violations
            )
    code = _NAMES.get(status.code, "UNKNOWN")
    error = _error(code, status.message, reason, retry_after, violations)
    error.request_id = request_id
    return error


def _error(
    code: str,
    message: str,
    reason: str,
    retry_after: float,
    violations: tuple[FieldViolation, ...],
) -> RewardServiceError:
    match code:
        case "INVALID_ARGUMENT":
            return InvalidRequest(*violations, message=message)
        case "NOT_FOUND" if reason == UnknownReward.reason:
            return UnknownReward(message)
        case "RESOURCE_EXHAUSTED" if reason in ("", MessageTooLarge.reason) and (
            reason or "larger than max" in message
        ):
            return MessageTooLarge(message)
        case "RESOURCE_EXHAUSTED":
            kinds: dict[str, type[Overloaded]] = {
                QueueFull.reason: QueueFull,
                DeadlineUnreachable.reason: DeadlineUnreachable,
            }
            return kinds.get(reason, Overloaded)(message, retry_after)
        case "UNAVAILABLE":
            return Unavailable(message, retry_after)
        case "DEADLINE_EXCEEDED":
            return DeadlineExceeded(message)
        case "CANCELLED":
            return RequestCancelled(message)
        case "INTERNAL":
            return InternalError(message)
        case _:
            error = RewardServiceError(f"{code}: {message}")
            error.code, error.reason = code, reason or code
            return error
