"""PRM800K-style: a token classifier that rates each step at the line break that ends it.

Lightman et al. (arXiv 2305.20050) rate steps −1, 0 or +1; their model is not public. This reads
models trained in that manner as transformers' token classifiers, e.g. by TRL's PRMTrainer:
`PROMPT STEP \\n STEP \\n`, tokenised step by step. Three classes, in the order of the ratings, are
wrong, neutral and right, two are wrong and right. A neutral step counts as right, as we
understand their score to; the paper's handling is not verified.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rewardsvc.engines.conversation import Message
from rewardsvc.engines.loading import Settings, load_decoder
from rewardsvc.engines.step_rewards.formats import FORMATS
from rewardsvc.engines.step_rewards.heads import class_head, read_tensors
from rewardsvc.engines.step_rewards.marked_text import single_token
from rewardsvc.engines.step_rewards.step_format import Kind, Piece, StepModel, plain_question
from rewardsvc.errors import ConfigError

__all__ = ["Prm800k"]

_MARK = "\n"


class Prm800k:
    """A token classifier of two or three classes."""

    joint = False
    reads_before_mark = False

    def __init__(self, tokenizer: Any) -> None:
        self.mark_id = single_token(tokenizer, _MARK, "the line break")

    def pieces(self, prompt: Sequence[Message], steps: Sequence[str]) -> list[Piece]:
        """One line break after each step, whatever parted them."""
        pieces = [Piece(plain_question(prompt), Kind.CONTENT)]
        for step in steps:
            pieces += [
                Piece(step.rstrip(), Kind.CONTENT),
                Piece(_MARK, Kind.MARK, ends_step=True),
            ]
        return pieces

    def load(self, directory: Path, settings: Settings) -> StepModel:
        """The decoder and the linear `score` that classifies its tokens."""
        model = load_decoder(directory, settings)
        labels, right = int(model.config.num_labels), FORMATS["prm800k"].right_classes
        if labels not in right:
            raise ConfigError(
                f"{directory}/config.json: num_labels must be 2 (wrong, right) or 3 (−1, 0, +1), "
                f"not {labels}"
            )
        shapes = {"score.weight": (labels, model.config.hidden_size), "score.bias": (labels,)}
        tensors = read_tensors(directory, shapes, settings.torch_device)
        return StepModel(model, class_head(tensors, right[labels]))
