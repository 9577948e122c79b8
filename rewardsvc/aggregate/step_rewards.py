"""From step scores to what a trainer credits at the end of each step.

Step scores used as rewards as they are pay for every step: a policy learns to write more of
them. The forms here do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rewardsvc.aggregate.steps import check_probabilities

__all__ = ["advantages", "best_of_k_values", "clip", "delta", "effective_values"]


def advantages(values: Sequence[float], before: float) -> list[float]:
    """A_t = Q_t − Q_{t−1}: how much each step changed the chance to end right.

    Setlur et al., "Rewarding Progress" (arXiv 2410.08146), with Q the value of a *prover*
    policy other than the one trained. `before` is Q_0, the value of the bare prompt (derived:
    the first step is measured against it). The advantages add up to Q_T − Q_0, whatever the
    number of steps.

    Raises:
        ValueError: a value is not in [0, 1].
    """
    check_probabilities([before, *values])
    return [after - q for q, after in zip([before, *values], values, strict=False)]


def best_of_k_values(values: Sequence[float], k: int) -> list[float]:
    """1 − (1 − Q)^K: the values of the prover that takes the best of K rollouts (same paper).

    Their best prover for the base policy is K = 4: K = 1 adds nothing to the outcome reward,
    and a large K makes every value 1, so that no step changes it.

    Raises:
        ValueError: a value is not in [0, 1], or k is below 1.
    """
    check_probabilities(values)
    if k < 1:
        raise ValueError(f"k is {k}; must be at least 1")
    return [1.0 if q == 1 else -math.expm1(k * math.log1p(-q)) for q in values]


def effective_values(
    values: Sequence[float], advantages: Sequence[float], weight: float
) -> list[float]:
    """Q^π + α A^μ (same paper, equation 5): what a beam search over steps ranks by.

    `values` are the base policy's, `advantages` the prover's, `weight` is α; they use 0.5 (2B
    and 9B) and 0.2 (27B) for search, and report 0.2 to 0.6 as robust.
    """
    return [q + weight * a for q, a in zip(values, advantages, strict=True)]


def clip(scores: Sequence[float], threshold: float) -> list[float]:
    """min(r − η, 0): a step can only cost, so more steps never pay.

    Gao et al., "On Designing Effective RL Reward at Training Time" (arXiv 2410.15115).
    `threshold` is η, chosen so that most steps are worth 0; the value they used is not known
    to us, so there is no default.

    Raises:
        ValueError: a score or the threshold is not finite.
    """
    _check_finite([*scores, threshold])
    return [min(score - threshold, 0.0) for score in scores]


def delta(rewards: Sequence[float]) -> list[float]:
    """r_k − r_{k+1} for k < K − 1, r_{K−1} at K − 1, and 0 at the last step K (same paper).

    What remains to be earned from step k on adds up to r_k (it telescopes), so the return is
    bounded however many steps there are; the last step is left to the outcome reward. One
    step gives [0]. With `clip`, clip first.

    Raises:
        ValueError: a reward is not finite.
    """
    _check_finite(rewards)
    if not rewards:
        return []
    paid = [*rewards[:-1], 0.0]
    return [now - then for now, then in zip(paid, [*paid[1:], 0.0], strict=True)]


def _check_finite(numbers: Sequence[float]) -> None:
    for number in numbers:
        if not math.isfinite(number):
            raise ValueError(f"{number} is not a finite number")
