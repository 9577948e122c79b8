"""Rewards for RL on language models over gRPC: ensembles, verifiers and critics, calibrated.

from rewardsvc import Client, Sample

with Client("127.0.0.1:9000") as client:
    for result in client.score("math", [Sample("1 + 1?", "It is 2.", reference="2")]):
        print(result.reward, result.status, result.verdict)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rewardsvc.errors import (
    DeadlineExceeded,
    DeadlineUnreachable,
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
from rewardsvc.types import (
    Chat,
    ChatMessage,
    Confidence,
    Criterion,
    Detail,
    Group,
    Outcome,
    Reference,
    Response,
    Result,
    RewardDescription,
    Sample,
    Status,
    TestSuite,
    TokenIds,
    Verdict,
)

if TYPE_CHECKING:
    from rewardsvc.client.aio import AsyncClient
    from rewardsvc.client.channel import KeepAlive, Tls
    from rewardsvc.client.gather import GroupGatherer
    from rewardsvc.client.retry import Retry
    from rewardsvc.client.sync import Client
    from rewardsvc.labels.types import Label, LabelSource

__all__ = [
    "AsyncClient",
    "Chat",
    "ChatMessage",
    "Client",
    "Confidence",
    "Criterion",
    "DeadlineExceeded",
    "DeadlineUnreachable",
    "Detail",
    "Group",
    "GroupGatherer",
    "InternalError",
    "InvalidRequest",
    "KeepAlive",
    "Label",
    "LabelSource",
    "MessageTooLarge",
    "Outcome",
    "Overloaded",
    "QueueFull",
    "Reference",
    "RequestCancelled",
    "Response",
    "Result",
    "Retry",
    "RewardDescription",
    "RewardServiceError",
    "Sample",
    "Status",
    "TestSuite",
    "Tls",
    "TokenIds",
    "Unavailable",
    "UnknownReward",
    "Verdict",
]

# Loaded when first used: grpc costs more to import than everything else here together, and
# the server and the verifiers' workers import this package without wanting a client.
_LABELS = ("Label", "LabelSource")
_CLIENT = ("AsyncClient", "Client", "GroupGatherer", "KeepAlive", "Retry", "Tls")


def __getattr__(name: str) -> Any:
    if name in _CLIENT:
        return getattr(import_module("rewardsvc.client"), name)
    if name in _LABELS:
        return getattr(import_module("rewardsvc.labels.types"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
