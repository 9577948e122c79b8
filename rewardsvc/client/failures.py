"""gRPC's exceptions to the error tree."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from rewardsvc.errors import RewardServiceError, Unavailable
from rewardsvc.wire.failures import error_of

_DETAILS_KEY = "grpc-status-details-bin"
# A proxy that resets a stream, and a write to a stream that broke, whose own status grpc.aio
# then hides: nobody answered, which is what UNAVAILABLE says.
_LOST = ("RST_STREAM", "Internal error from Core")


def error_of_rpc(error: grpc.aio.AioRpcError) -> RewardServiceError:
    """The error that a failed RPC stands for, by its details where the server sent some."""
    status = _details(error.trailing_metadata() or ())
    if status is not None:
        return error_of(status)
    message = error.details() or ""
    if error.code() is grpc.StatusCode.INTERNAL and any(lost in message for lost in _LOST):
        return Unavailable(f"the connection was lost: {message}")
    return error_of(status_pb2.Status(code=error.code().value[0], message=message))


def _details(metadata: Iterable[tuple[str, Any]]) -> status_pb2.Status | None:
    for key, value in metadata:
        if key == _DETAILS_KEY:
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None
