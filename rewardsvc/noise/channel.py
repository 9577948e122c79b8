"""The asymmetric noise channel of a verifier, and the two corrections that undo it.

With truth R* and verdict R in {0, 1}: false positive rate rho0 = P(R = 1 | R* = 0), false
negative rate rho1 = P(R = 0 | R* = 1), and E[R | R*] = (1 - rho0 - rho1) R* + rho0. From
"Reinforcement learning with verifiable yet noisy rewards" (arXiv 2510.00915):

* backward: (R - rho0) / (1 - rho0 - rho1), unbiased for R*; its variance is that of R divided
  by (1 - rho0 - rho1)^2. Needs both rates.
* forward: R - (1 - rho1), that is rho1 for an accepted and rho1 - 1 for a rejected response.
  As a policy-gradient weight its mean is 0 on right and -(1 - rho0 - rho1) on wrong responses,
  so the gradient keeps its direction, shrunk by Youden's index. Needs rho1 only.

Both are affine in R: normalising rewards by their group's mean and standard deviation turns
them back into what R would have given (`baselines`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SMALLEST_YOUDEN", "Channel"]

SMALLEST_YOUDEN = 0.05
"""The backward correction divides by no less: it would blow noise up more than 20 times."""


@dataclass(frozen=True, slots=True)
class Channel:
    """A noise channel that still says something: rates in [0, 1] that sum to less than 1.

    Raises:
        ValueError: a rate that is NaN or outside [0, 1], or rates that sum to 1 or more.
    """

    false_positive_rate: float
    false_negative_rate: float

    def __post_init__(self) -> None:
        for name in ("false_positive_rate", "false_negative_rate"):
            value = getattr(self, name)
            # Written so that NaN, which compares false, is refused.
            if not 0 <= value <= 1:
                raise ValueError(f"{name} is {value}; must be in [0, 1]")
        if not self.youden > 0:
            raise ValueError(
                f"false_positive_rate {self.false_positive_rate} and false_negative_rate "
                f"{self.false_negative_rate} sum to 1 or more: the verdicts say nothing, or the "
                "opposite"
            )

    @property
    def youden(self) -> float:
        """Youden's index J = 1 - rho0 - rho1, in (0, 1]: what of the truth comes through."""
        return 1 - self.false_positive_rate - self.false_negative_rate

    def backward(
        self, rewards: NDArray[np.floating], smallest_youden: float = SMALLEST_YOUDEN
    ) -> NDArray[np.float64]:
        """Corrected rewards, any shape; in expectation the truth of rewards in [0, 1].

        Where J is below `smallest_youden` that divides instead: less variance, and the result
        is J / smallest_youden times the truth, too small.

        Raises:
            ValueError: a reward that is not in [0, 1].
        """
        checked = _rewards(rewards)
        return np.asarray((checked - self.false_positive_rate) / max(self.youden, smallest_youden))

    def forward(self, rewards: NDArray[np.floating]) -> NDArray[np.float64]:
        """Policy-gradient weights, any shape: to be used without baseline or group scale.

        Raises:
            ValueError: a reward that is not in [0, 1].
        """
        return np.asarray(_rewards(rewards) - (1 - self.false_negative_rate))


def _rewards(rewards: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(rewards, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError("rewards must be in [0, 1]")
    return values
