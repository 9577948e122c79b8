"""Losses of a preference pair, from the margin score(better) − score(worse).

Every function takes a tensor of margins, any shape, and gives the loss of each, same shape.
`noise_rate` ε is the assumed share of pairs whose preference is the wrong way round, in
[0, 0.5). Imports torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn.functional import logsigmoid

__all__ = ["LOSSES", "bradley_terry", "confidence_aware", "label_smoothing", "unbiased"]


def bradley_terry(margin: Tensor, noise_rate: float = 0.0) -> Tensor:
    """−log σ(margin), the negative log-likelihood of Bradley and Terry (1952).

    Takes no account of a `noise_rate`.
    """
    return -logsigmoid(margin)


def label_smoothing(margin: Tensor, noise_rate: float) -> Tensor:
    """(1 − ε) L(m) + ε L(−m): the likelihood when a share ε of preferences is flipped at random.

    The pull towards m = logit(1 − ε) bounds the margins. As conservative DPO (Mitchell 2023),
    for a reward model. The minimiser's margins are shrunk, not biased in order.
    """
    return (1 - noise_rate) * bradley_terry(margin) + noise_rate * bradley_terry(-margin)


def unbiased(margin: Tensor, noise_rate: float) -> Tensor:
    """((1 − ε) L(m) − ε L(−m)) / (1 − 2ε): its mean over random flips is the loss without flips.

    Natarajan et al. 2013; for preferences, rDPO (Chowdhury et al., arXiv 2403.00409), here on
    a reward model's margin. Equal to L(m) − ε/(1 − 2ε) · m, so it falls without bound as the
    margin grows: it needs early stopping, and its variance grows as ε nears 1/2.
    """
    weighted = (1 - noise_rate) * bradley_terry(margin) - noise_rate * bradley_terry(-margin)
    return weighted / (1 - 2 * noise_rate)


def confidence_aware(
    chosen_high: Tensor, chosen_low: Tensor, rejected_high: Tensor, rejected_low: Tensor
) -> Tensor:
    """L(chosen_high − chosen_low) + L(rejected_low − rejected_high), PPO-M's reward-model loss.

    From scores of each response with a high and with a low verbalised confidence appended: a
    good response should say that it is sure, a bad one that it is not (Leng et al., "Taming
    Overconfidence in LLMs", arXiv 2410.09724).
    """
    return bradley_terry(chosen_high - chosen_low) + bradley_terry(rejected_low - rejected_high)


LOSSES: Mapping[str, Callable[[Tensor, float], Tensor]] = MappingProxyType(
    {
        "bradley_terry": bradley_terry,
        "label_smoothing": label_smoothing,
        "unbiased": unbiased,
    }
)
"""Losses of a margin by the name that recipes use."""
