"""What a critic or judge asks of a language model, and what comes back: plain data.

The same request runs on vLLM in a process of our own and on any OpenAI-compatible endpoint;
`Generator` is what both offer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rewardsvc.types import ChatMessage, Usage

__all__ = [
    "Completion",
    "GeneratedToken",
    "Generation",
    "GenerationFailed",
    "GenerationRequest",
    "Generator",
]


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A conversation to continue, `samples` times."""

    messages: tuple[ChatMessage, ...]
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    top_log_probabilities: int = 0
    """Alternatives reported for each token, 0 to 20; 0 reports none."""
    choices: tuple[str, ...] = ()
    """Guided decoding: the completion must be one of these. At most one of choices,
    pattern and json_schema."""
    pattern: str = ""
    """Guided decoding: a regular expression that the completion must match."""
    json_schema: str = ""
    """Guided decoding: a JSON schema, as JSON text, that the completion must satisfy."""
    continue_final_message: bool = False
    """Continues the last message, whose role is assistant, instead of answering it."""
    draw: int | None = None
    """Which of several independent draws of the same request this is. Answers that are sampled
    (temperature above 0) may be given again only to the same draw; None: never."""


@dataclass(frozen=True, slots=True)
class GeneratedToken:
    """A token of a completion with natural-log probabilities."""

    text: str
    log_probability: float
    alternatives: tuple[tuple[str, float], ...] = ()
    """Likeliest tokens at this place with their log-probabilities, likeliest first; the
    chosen one among them if it is one of the likeliest."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One continuation."""

    text: str
    tokens: tuple[GeneratedToken, ...] = ()
    """Empty unless log-probabilities were asked for."""
    finish_reason: str = "stop"
    """`stop`, or `length` where it was cut off."""


@dataclass(frozen=True, slots=True)
class Generation:
    """The answer to a request."""

    completions: tuple[Completion, ...]
    usage: Usage


class GenerationFailed(Exception):
    """A request that got no answer: says why, and whether time ran out.

    It concerns one request; the scorer makes it the sample's status.
    """

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


class Generator(Protocol):
    """A language model that continues conversations."""

    @property
    def version(self) -> str:
        """Changes when its answers may: model, weights and engine settings."""

    async def start(self) -> None:
        """Loads or connects; raises ConfigError for a model that cannot be used."""

    async def generate(
        self, request: GenerationRequest, *, seconds: float | None = None
    ) -> Generation:
        """Continues one conversation; many may be under way at a time.

        Cancelling the task abandons the request at the engine. Raises GenerationFailed.
        """

    async def generate_all(
        self, requests: Sequence[GenerationRequest], *, seconds: float | None = None
    ) -> list[Generation | GenerationFailed]:
        """Continues several, in order; a failure stands in its own place."""

    async def close(self) -> None:
        """Frees everything; idempotent."""
