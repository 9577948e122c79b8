"""Math-Shepherd: `ки` after each step, and the odds of `+` against `-` at it.

Wang et al. (arXiv 2312.08935), peiyi9979/math-shepherd-mistral-7b-prm: a causal language model
reads `QUESTION STEP ки\\n\\nSTEP ки`, and the softmax over the logits of `+` and `-` at each `ки`
is the probability that the step is right. Labels are Monte Carlo estimates of the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.loading import Settings, load_causal_model
from rewardsvc.engines.step_rewards.heads import token_contrast_head
from rewardsvc.engines.step_rewards.marked_text import single_token
from rewardsvc.engines.step_rewards.step_format import Kind, Piece, StepModel, plain_question

__all__ = ["MathShepherd"]

_MARK = "ки"


class MathShepherd:
    """The published model's tokens are `ки` 12902, `+` 648 and `-` 387."""

    joint = True
    reads_before_mark = False

    def __init__(self, tokenizer: Any) -> None:
        self.mark_id = single_token(tokenizer, _MARK, "the step mark")
        self._good = single_token(tokenizer, "+", "the mark of a right step")
        self._bad = single_token(tokenizer, "-", "the mark of a wrong step")

    def pieces(self, prompt: Sequence[Message], steps: Sequence[str]) -> list[Piece]:
        """The marks stand before the whitespace that parts the steps."""
        pieces = [Piece(f"{plain_question(prompt)} ", Kind.CONTENT)]
        for step in steps:
            text = step.rstrip()
            pieces += [
                Piece(f"{text} ", Kind.CONTENT),
                Piece(_MARK, Kind.MARK, ends_step=True),
                Piece(step[len(text) :], Kind.CONTENT),
            ]
        return pieces

    def load(self, directory: Path, settings: Settings) -> StepModel:
        """A causal language model."""
        model = load_causal_model(directory, settings)
        return StepModel(model, token_contrast_head(model, self._good, self._bad))
