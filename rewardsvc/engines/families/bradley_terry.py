"""Bradley-Terry reward models: one score of a conversation, read at its last token.

Trained with -log sigmoid(score(chosen) - score(rejected)) (Bradley and Terry 1952; Ouyang et
al., arXiv 2203.02155), so a score means something only relative to others of the same prompt:
it is defined up to a constant a prompt. Skywork-Reward and most open reward models are of this
family: a transformers sequence classifier with one label behind a chat template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.engines.families.chat import ChatReader
from rewardsvc.engines.families.family import Reader
from rewardsvc.engines.truncation import Truncation

__all__ = ["BradleyTerry"]


class BradleyTerry:
    """Sequence classifiers with one label."""

    name = "bradley_terry"
    needs_reference = False
    prefers_answers = False
    range: tuple[float | None, float | None] = (None, None)
    properties = {"comparable": "within a prompt"}  # noqa: RUF012 (read only)
    weighted = False

    def reader(self, tokenizer: Any, max_length: int, truncation: Truncation) -> Reader:
        """The chat template's."""
        return ChatReader(tokenizer, max_length, truncation)

    def scores(self, outputs: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
        """The one output."""
        return outputs[..., 0]
