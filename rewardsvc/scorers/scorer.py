"""What a scorer is: the one interface between the pipeline and everything that scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rewardsvc.types import Chat, Group, Score, ScorerDescription


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How a scorer wants its work gathered."""

    max_batch_tokens: int = 65_536
    """Most tokens in one batch; a larger single response is a batch of its own."""
    max_batch_samples: int = 512
    """Most responses in one batch."""
    max_queue_tokens: int = 16_777_216
    """Most tokens waiting; beyond this, requests are refused."""
    max_queue_samples: int = 65_536
    """Most responses waiting; beyond this, requests are refused."""
    batches_in_flight: int = 1
    """Batches given to the engine at a time; 2 keeps an engine in another process busy."""


class Scorer(Protocol):
    """Scores groups. One instance serves all callers; the batcher calls `score`.

    `score` returns, for each group in order, one `Score` for each of its responses in order.
    Trouble with one sample is that sample's Score; an exception means that the whole batch
    could not be run, and the batcher then runs its groups one by one.
    """

    @property
    def name(self) -> str:
        """The name in the configuration."""

    @property
    def limits(self) -> BatchLimits:
        """How work is gathered."""

    @property
    def range(self) -> tuple[float | None, float | None]:
        """Smallest and largest score; None where unbounded."""

    @property
    def needs_reference(self) -> bool:
        """Whether samples without a reference cannot be scored."""

    def describe(self) -> ScorerDescription:
        """What `GetReward` shows of it; `version` changes when its scores may."""

    def weigh(self, group: Group) -> Sequence[int]:
        """Tokens of the prompt, followed by tokens of each response (at least 1 each).

        An estimate will do: it steers batching and admission, not scores.
        """

    async def start(self) -> None:
        """Loads and warms up; the server is ready when every scorer has returned."""

    async def score(self, groups: Sequence[Group]) -> Sequence[Sequence[Score]]:
        """Scores one batch."""

    async def close(self) -> None:
        """Frees everything; idempotent."""


def weigh_by_characters(group: Group, *, with_prompt: bool = True) -> list[int]:
    """Weighs a group at four characters a token, for scorers without a tokenizer.

    `with_prompt=False` is for scorers that never look at the prompt.
    """
    prompt = group.prompt
    if not with_prompt:
        weight = 0
    elif isinstance(prompt, Chat):
        weight = sum(len(message.content) for message in prompt.messages) // 4 + 1
    elif isinstance(prompt, str):
        weight = len(prompt) // 4 + 1
    else:
        weight = len(prompt)
    weights = [weight]
    for response in group.responses:
        text = response.text
        weights.append(len(text) // 4 + 1 if isinstance(text, str) else len(text) + 1)
    return weights
