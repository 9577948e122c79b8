"""Reads a response's steps as one process reward model does: token ids, and where to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, cast

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.step_rewards.formats import FORMATS
from rewardsvc.engines.step_rewards.marked_text import MarkerLost, StepTokenizer
from rewardsvc.engines.step_rewards.step_format import StepFormat
from rewardsvc.errors import ConfigError

__all__ = ["StepReader", "StepReading", "Truncation", "UnreadableSteps", "step_format_named"]

Truncation = Literal["reject", "last_steps"]


class UnreadableSteps(Exception):
    """A sample that the model cannot read; says why."""


@dataclass(frozen=True, slots=True)
class StepReading:
    """Token ids up to the end of the last step that fits, and each step's position in them."""

    ids: list[int]
    reads: list[int]
    truncation: str = ""
    """What was cut to make it fit; empty when nothing was."""


def step_format_named(name: str, tokenizer: Any, directory: Path) -> StepFormat:
    """The format for a tokenizer; ConfigError where it lacks the format's tokens."""
    module, _, attribute = FORMATS[name].location.partition(":")
    try:
        return cast(StepFormat, getattr(import_module(module), attribute)(tokenizer))
    except ConfigError as error:
        raise ConfigError(f"{directory}: {error.message}") from None


class StepReader:
    """Reads samples with one tokenizer.

    With truncation `last_steps`, steps that end beyond `max_length` tokens are left out.
    """

    def __init__(
        self, tokenizer: Any, step_format: StepFormat, max_length: int, truncation: Truncation
    ) -> None:
        self._tokenizer = StepTokenizer(tokenizer, step_format)
        self._format = step_format
        self._max_length = max_length
        self._truncation = truncation

    def read(self, sample: Mapping[str, Any]) -> StepReading:
        """A sample as `StepRewardEngine` takes it. Raises UnreadableSteps."""
        text, spans = sample["text"], sample["spans"]
        starts = [start for start, _ in spans]
        ends = [*starts[1:], spans[-1][1]]
        steps = [text[start:end] for start, end in zip(starts, ends, strict=True)]
        messages: list[Message] = [
            {"role": role, "content": content} for role, content in sample["messages"]
        ]
        try:
            marked = self._tokenizer.encode(self._format.pieces(messages, steps))
        except MarkerLost as error:
            raise UnreadableSteps(str(error)) from None
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
            raise UnreadableSteps(f"cannot be tokenised: {said}") from None
        reads = [position for position in marked.reads if position < self._max_length]
        truncation = ""
        if beyond := len(marked.reads) - len(reads):
            said = (
                f"{beyond} of {len(marked.reads)} steps lie beyond the {self._max_length} tokens "
                "that the model takes"
            )
            if self._truncation == "reject" or not reads:
                raise UnreadableSteps(f"too long: {said}")
            truncation = f"{said}; they have no score"
        # What follows the last step is never read.
        return StepReading(marked.ids[: reads[-1] + 1], reads, truncation)
