"""The padded path, for what cannot be packed."""

from __future__ import annotations

import numpy as np
import torch
from fixtures.tiny_decoders import VOCABULARY, random_group, tiny_decoder

from rewardsvc.engines.packed.layout import plan
from rewardsvc.engines.padded import PaddedTrunk


def test_a_cap_on_attention_logits_is_kept():
    model = tiny_decoder("gemma2", attn_logit_softcapping=2.0, head_dim=8)
    group = random_group(np.random.default_rng(0), 0, [9, 5])
    ids = [torch.from_numpy(suffix).long()[None] for suffix in group.suffixes]
    assert max(int(each.max()) for each in ids) < VOCABULARY
    with torch.inference_mode():
        expected = torch.cat([model(each).last_hidden_state[:, -1] for each in ids])
    model.set_attn_implementation("sdpa")
    trunk = PaddedTrunk(model, padding=0, token_budget=64, logits=False, alone=False)
    (batch,) = plan([group], 64, share_prefix=False)
    assert torch.allclose(trunk.hidden(batch), expected, atol=1e-4)
