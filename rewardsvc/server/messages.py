"""Reads request messages so that a bad one is refused with a reason, not by the transport.

The transport's own limit is set to twice ours: between the two, the error names the limit
and ScoreStream; above, gRPC refuses the message itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError

from rewardsvc.errors import InvalidRequest, MessageTooLarge, RewardServiceError


@dataclass(frozen=True, slots=True)
class Refused:
    """Takes the place of a message that could not be read."""

    error: RewardServiceError


def reader(parse: Callable[[bytes], Any], max_bytes: int) -> Callable[[bytes], Any]:
    """`parse`, returning Refused for what is too large or no valid message."""

    def read(data: bytes) -> Any:
        if len(data) > max_bytes:
            return Refused(
                MessageTooLarge(
                    f"the message has {len(data)} bytes, the limit is {max_bytes}; "
                    "use ScoreStream with 32 to 64 responses a message"
                )
            )
        try:
            return parse(data)
        except DecodeError as error:
            return Refused(InvalidRequest(message=f"not a valid message: {error}"))

    return read
