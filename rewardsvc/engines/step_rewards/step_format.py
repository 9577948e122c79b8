"""What a format of process reward models is: how it reads steps, and where it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from rewardsvc.engines.conversation import Message

if TYPE_CHECKING:
    # The server reads steps for vLLM without torch.
    from torch import Tensor

    from rewardsvc.engines.loading import Settings

__all__ = ["Head", "Kind", "Piece", "StepFormat", "StepModel", "plain_question"]

Head: TypeAlias = "Callable[[Tensor], Tensor]"
"""Hidden states (reads, hidden) to probabilities (reads,) that the step is right, float32."""


class Kind(Enum):
    """What a piece of a model's input is."""

    STRUCTURE = "structure"
    """Written by the format or a chat template; special tokens in it are special."""
    CONTENT = "content"
    """Of the prompt or the response: nothing in it is special, whatever it spells."""
    MARK = "mark"
    """The format's own mark: exactly one token."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a model's input."""

    text: str
    kind: Kind
    ends_step: bool = False
    """For a mark: a step's score is read at it."""


@dataclass(frozen=True, slots=True)
class StepModel:
    """A loaded model, and what makes probabilities of its hidden states."""

    model: Any
    head: Head


class StepFormat(Protocol):
    """One published format, for one tokenizer.

    Made with the tokenizer; raises ConfigError where it lacks the format's tokens.
    """

    mark_id: int
    """The token of every mark."""
    joint: bool
    """Whether the model was trained on pieces tokenised as one text; else each by itself."""
    reads_before_mark: bool
    """Whether a score is read at the token before the mark, which predicts it."""

    def pieces(self, prompt: Sequence[Message], steps: Sequence[str]) -> list[Piece]:
        """The input for a response of these steps; one mark that ends a step for each.

        Each of `steps` is a step with the whitespace that follows it in the response.
        """

    def load(self, directory: Path, settings: Settings) -> StepModel:
        """Loads the model; raises ConfigError for one that is not of this format."""


def plain_question(prompt: Sequence[Message]) -> str:
    """The prompt for formats without a chat template: its messages, a blank line between."""
    return "\n\n".join(message["content"] for message in prompt).strip()
