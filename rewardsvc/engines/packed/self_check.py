"""Whether a packed pass computes what the model's own forward computes: tried, not believed.

Which decoders can be packed is not a list of names: a few random sequences go through both
when a model is loaded, and a model on which they differ is refused. It does not cover what
only shows at lengths or token ids that were not tried.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from rewardsvc.engines.packed.attention import attention_in
from rewardsvc.engines.packed.decoder import Decoder
from rewardsvc.engines.packed.layout import MicroBatch, TokenGroup, group_by_prefix, plan

__all__ = ["difference"]

_TOLERANCES = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Of the relative difference; a wrong mask or position shows as about 1."""


def difference(decoder: Decoder, hidden: Callable[[MicroBatch], Tensor]) -> str | None:
    """What is wrong with `hidden` as a packed forward of the decoder; None: nothing.

    Compares hidden states by their relative Euclidean distance: of all reads at once, so that
    a router that decides a near tie otherwise in low precision is no reason to refuse.
    """
    groups = _groups(decoder.vocabulary)
    packed: list[Tensor] = []
    plain: list[Tensor] = []
    for batch in plan(groups, token_budget=10**6):
        try:
            packed.append(hidden(batch).float())
        except Exception as error:
            return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        for group, sequence, position in zip(
            batch.read_groups, batch.read_sequences, batch.read_positions, strict=True
        ):
            whole = np.concatenate([groups[group].prefix, groups[group].suffixes[sequence]])
            ids = torch.from_numpy(whole).long()[None].to(decoder.device)
            # Eager attention is the model's definition: others leave out what they lack, as
            # SDPA does the cap on Gemma 2's logits.
            with torch.inference_mode(), attention_in(decoder.config, "eager"):
                states = decoder.base(input_ids=ids, use_cache=False).last_hidden_state
            plain.append(states[0, position].float())
    ours, theirs = torch.cat(packed), torch.stack(plain)
    relative = float((ours - theirs).norm() / theirs.norm())
    allowed = _TOLERANCES.get(decoder.dtype, 1e-3)
    if not relative <= allowed:
        return f"its hidden states differ by {relative:.1e} from the model's own (> {allowed:.0e})"
    return None


def _groups(vocabulary: int) -> list[TokenGroup]:
    random = np.random.default_rng(0)
    groups = []
    for prefix_length, suffix_lengths in ((9, (6, 1, 11)), (0, (7, 4)), (130, (5, 0))):
        prefix = random.integers(0, vocabulary, prefix_length)
        sequences = [
            np.concatenate([prefix, random.integers(0, vocabulary, length)])
            for length in suffix_lengths
        ]
        groups.append(group_by_prefix(sequences, [np.array([len(s) - 1]) for s in sequences]))
    return groups
