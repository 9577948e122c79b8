"""How corrected rewards enter a policy gradient, and why not through group normalisation.

Both corrections are affine in the verdict, a R + b with a > 0. Within a group
(u - mean u) / (std u + e) of u = a R + b equals that of R up to e / a: normalising by the
group's mean and standard deviation undoes the correction (arXiv 2510.00915, appendix B). So
corrected rewards say `do_not_group_normalise`, and go with

* backward: the leave-one-out baseline, b_i = sum_{j != i} r_j / (K - 1), and a fixed scale or
  one averaged over batches;
* forward: no baseline, and scale 1, 1 - rho1, or 1 - rho0 - rho1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DO_NOT_GROUP_NORMALISE", "group_normalised", "leave_one_out_advantages"]

DO_NOT_GROUP_NORMALISE = (
    "The reward is corrected for verifier noise. Dividing by the group's standard deviation "
    "undoes the correction: use a leave-one-out baseline and a fixed scale."
)


def leave_one_out_advantages(rewards: NDArray[np.floating]) -> NDArray[np.float64]:
    """Each reward less the mean of the others of its group.

    `rewards` is (samples,) of one group; NaN marks a sample without a reward: it counts in
    nobody's baseline and its advantage is 0. One that is alone has the baseline 0.
    """
    values = np.asarray(rewards, dtype=np.float64)
    known = ~np.isnan(values)
    total, count = values[known].sum(), int(known.sum())
    advantages = np.zeros_like(values)
    baseline = (total - values[known]) / (count - 1) if count > 1 else 0.0
    advantages[known] = values[known] - baseline
    return advantages


def group_normalised(rewards: NDArray[np.floating], epsilon: float = 1e-4) -> NDArray[np.float64]:
    """(r - mean) / (std + epsilon) within one group (samples,): what trainers do by default.

    Here to show, in tests and diagnostics, what it does to corrected rewards.
    """
    values = np.asarray(rewards, dtype=np.float64)
    return np.asarray((values - values.mean()) / (values.std() + epsilon))
