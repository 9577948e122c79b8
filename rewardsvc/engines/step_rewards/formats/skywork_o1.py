"""Skywork-o1-Open-PRM: a value head at the line break that ends each step.

SkyworkAI/skywork-o1-prm-inference: `BOS PROBLEM \\n`, then every line of the response tokenised by
itself and followed by the token of a line break; the sigmoid of a linear value head there is
the line's score. A step of several lines has the score at its last line.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.loading import Settings, load_decoder
from rewardsvc.engines.step_rewards.heads import read_tensors, value_head
from rewardsvc.engines.step_rewards.marked_text import single_token
from rewardsvc.engines.step_rewards.step_format import Kind, Piece, StepModel, plain_question

__all__ = ["SkyworkO1"]

_MARK = "\n"


class SkyworkO1:
    """A value head on a decoder."""

    joint = False
    reads_before_mark = False

    def __init__(self, tokenizer: Any) -> None:
        self.mark_id = single_token(tokenizer, _MARK, "the line break")
        self._bos: str = tokenizer.bos_token or ""

    def pieces(self, prompt: Sequence[Message], steps: Sequence[str]) -> list[Piece]:
        """Every line ends with a mark; the last of a step's own lines ends the step."""
        pieces = [
            Piece(self._bos, Kind.STRUCTURE),
            # One text, as published: a line break may be merged with the problem's end.
            Piece(f"{plain_question(prompt)}\n", Kind.CONTENT),
        ]
        for step in steps:
            text = step.rstrip()
            lines = text.split("\n")
            blank = step[len(text) :].count("\n") - 1
            for number, line in enumerate(lines, 1):
                pieces += [
                    Piece(line, Kind.CONTENT),
                    Piece(_MARK, Kind.MARK, ends_step=number == len(lines)),
                ]
            pieces += [Piece(_MARK, Kind.MARK)] * blank
        return pieces

    def load(self, directory: Path, settings: Settings) -> StepModel:
        """The decoder and `v_head.summary`."""
        model = load_decoder(directory, settings)
        shapes = {
            "v_head.summary.weight": (1, model.config.hidden_size),
            "v_head.summary.bias": (1,),
        }
        head = value_head(read_tensors(directory, shapes, settings.torch_device))
        return StepModel(model, head)
