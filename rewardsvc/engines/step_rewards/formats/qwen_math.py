"""Qwen2.5-Math-PRM: `<extra_0>` after each step, and a two-class head at it.

Zhang et al. (arXiv 2501.07301), Qwen/Qwen2.5-Math-PRM-7B: the chat template with the steps as
the assistant's message, joined and ended by `<extra_0>`; at each of them two linear layers with
a ReLU between give the probabilities of wrong and right. The published code picks scores out
by `sample != 0`, which shifts all later steps when a probability underflows to 0; here the
positions are known. Labels are agreed on by Monte Carlo rollouts and a judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.loading import Settings, load_decoder
from rewardsvc.engines.step_rewards.chat_pieces import Turn, chat_pieces
from rewardsvc.engines.step_rewards.heads import read_tensors, two_layer_head
from rewardsvc.engines.step_rewards.marked_text import single_token
from rewardsvc.engines.step_rewards.step_format import Kind, Piece, StepModel

__all__ = ["QwenMath"]

_MARK = "<extra_0>"
_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."


class QwenMath:
    """A prompt without a system message gets the model card's."""

    joint = False
    reads_before_mark = False

    def __init__(self, tokenizer: Any) -> None:
        self.mark_id = single_token(tokenizer, _MARK, "the step mark")
        self._tokenizer = tokenizer

    def pieces(self, prompt: Sequence[Message], steps: Sequence[str]) -> list[Piece]:
        """The steps are stripped: `<extra_0>` takes the place of what parts them."""
        messages = list(prompt)
        if messages[0]["role"] != "system":
            messages.insert(0, {"role": "system", "content": _SYSTEM})
        answer: list[Piece] = []
        for step in steps:
            answer += [
                Piece(step.rstrip(), Kind.CONTENT),
                Piece(_MARK, Kind.MARK, ends_step=True),
            ]
        turns: list[Turn] = [(message["role"], message["content"]) for message in messages]
        return chat_pieces(self._tokenizer, [*turns, ("assistant", answer)])

    def load(self, directory: Path, settings: Settings) -> StepModel:
        """The decoder, and the head that its own code would make."""
        model = load_decoder(directory, settings)
        width = model.config.hidden_size
        shapes = {
            "score.0.weight": (width, width),
            "score.0.bias": (width,),
            "score.2.weight": (2, width),
            "score.2.bias": (2,),
        }
        head = two_layer_head(read_tensors(directory, shapes, settings.torch_device))
        return StepModel(model, head)
