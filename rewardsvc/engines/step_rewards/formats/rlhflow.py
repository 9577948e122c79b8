"""RLHFlow: a conversation in which each step is a user's turn and `+` the answer to it.

RLHFlow/Llama3.1-8B-PRM-Deepseek-Data and -Mistral-Data: the first turn is the question and the
first step, every later one the next step; where the assistant's `+` is about to be written,
the softmax over the logits of `+` and `-` is the step's score. All turns are read in one
sequence. Labels are Monte Carlo estimates of the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.loading import Settings, load_causal_model
from rewardsvc.engines.step_rewards.chat_pieces import Turn, chat_pieces
from rewardsvc.engines.step_rewards.heads import token_contrast_head
from rewardsvc.engines.step_rewards.marked_text import single_token
from rewardsvc.engines.step_rewards.step_format import Kind, Piece, StepModel, plain_question
from rewardsvc.errors import ConfigError

__all__ = ["RlhFlow"]

_GOOD, _BAD = "+", "-"


class RlhFlow:
    """A causal language model with a chat template."""

    joint = True
    reads_before_mark = True

    def __init__(self, tokenizer: Any) -> None:
        if not tokenizer.chat_template:
            raise ConfigError("tokenizer: must have a chat template")
        self.mark_id = single_token(tokenizer, _GOOD, "the mark of a right step")
        self._bad = single_token(tokenizer, _BAD, "the mark of a wrong step")
        self._tokenizer = tokenizer

    def pieces(self, prompt: Sequence[Message], steps: Sequence[str]) -> list[Piece]:
        """The steps are stripped, as the template would."""
        question = plain_question(prompt)
        turns: list[Turn] = []
        for number, step in enumerate(steps):
            text = step.rstrip()
            turns.append(("user", text if number else f"{question} {text}"))
            turns.append(("assistant", [Piece(_GOOD, Kind.MARK, ends_step=True)]))
        return chat_pieces(self._tokenizer, turns)

    def load(self, directory: Path, settings: Settings) -> StepModel:
        """A causal language model."""
        model = load_causal_model(directory, settings)
        return StepModel(model, token_contrast_head(model, self.mark_id, self._bad))
