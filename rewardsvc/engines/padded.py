"""The padded path, for models whose architecture cannot be packed.

It takes the same micro-batches as the packed path and gives the same hidden states, at the
price of padding and without sharing prefixes. Where a model's score is not a linear map of a
hidden state (encoders, mostly), what it gives in their place are the model's own logits.
Imports torch: used only inside an engine process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rewardsvc.engines.micro_batches import plan_micro_batches
from rewardsvc.engines.packed.layout import MicroBatch

__all__ = ["PaddedTrunk", "has_linear_head"]


def has_linear_head(model: Any) -> bool:
    """Whether a classifier's logits are its module `score` of one hidden state."""
    return isinstance(getattr(model, "score", None), nn.Module)


class PaddedTrunk:
    """A model run on padded batches.

    Args:
        model: A Hugging Face model in eval mode.
        padding: Any token id that the model knows; it is masked everywhere.
        token_budget: Padded tokens of one forward pass.
        logits: Give the model's logits, one row a sequence, in place of hidden states.
        alone: One sequence a pass, so that no score depends on what it is batched with.
    """

    def __init__(
        self, model: Any, *, padding: int, token_budget: int, logits: bool, alone: bool
    ) -> None:
        if getattr(model.config, "attn_logit_softcapping", None):
            # transformers' SDPA leaves the softcap out without a word.
            model.set_attn_implementation("eager")
        self._model = model
        self._padding = padding
        self._token_budget = 1 if alone else token_budget
        self._logits = logits

    @torch.inference_mode()
    def hidden(self, batch: MicroBatch) -> Tensor:
        """Hidden states after the final norm (or logits), in the order of the batch's reads.

        The batch must be planned without shared prefixes, so that a segment is a sequence.
        """
        sequences = [batch.token_ids[part.start : part.end] for part in batch.segments]
        starts = np.array([part.start for part in batch.segments])
        owners = np.searchsorted(starts, batch.read_rows, side="right") - 1
        where: dict[int, tuple[Tensor, int]] = {}
        for chosen in plan_micro_batches([len(ids) for ids in sequences], self._token_budget):
            output = self._forward([sequences[index] for index in chosen])
            where.update({index: (output, row) for row, index in enumerate(chosen)})
        rows = []
        for owner, position in zip(owners.tolist(), batch.read_positions.tolist(), strict=True):
            output, row = where[owner]
            rows.append(output[row] if self._logits else output[row, position])
        return torch.stack(rows)

    def _forward(self, sequences: Sequence[NDArray[np.int32]]) -> Tensor:
        lengths = torch.tensor([len(ids) for ids in sequences])
        ids = torch.full((len(sequences), int(lengths.max())), self._padding)
        for row, sequence in enumerate(sequences):
            ids[row, : len(sequence)] = torch.from_numpy(sequence).long()
        mask = (torch.arange(ids.shape[1])[None, :] < lengths[:, None]).long()
        ids, mask = ids.to(self._model.device), mask.to(self._model.device)
        result: Tensor
        if self._logits:
            result = self._model(input_ids=ids, attention_mask=mask).logits
        else:
            decoder = self._model.base_model
            result = decoder(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return result
