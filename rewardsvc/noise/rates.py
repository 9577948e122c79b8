"""An estimated rate, what its interval is made of, and whether a verifier is of any use."""

from __future__ import annotations

import math
from typing import NamedTuple

from rewardsvc.intervals import INTERVAL

__all__ = ["INTERVAL", "RateEstimate", "youden_of"]


class RateEstimate(NamedTuple):
    """A rate in [0, 1] with its interval; `labels` is the effective number behind it."""

    rate: float
    lower: float
    upper: float
    labels: float

    @property
    def variance(self) -> float:
        """Sampling variance: that of a share of `labels` labels, add-half smoothed so that a
        rate seen as 0 is not taken as known."""
        count = self.labels + 1
        share = (self.rate * self.labels + 0.5) / count
        return share * (1 - share) / (count + 1)


def youden_of(false_positive_rate: RateEstimate, false_negative_rate: RateEstimate) -> RateEstimate:
    """Youden's index J = 1 - rho0 - rho1, in [-1, 1], with an interval at the rates' level.

    The rates are of different samples, hence independent: each end is as far from J as the
    root of the summed squares of the distances of the rates' own ends (MOVER, Zou and Donner
    2008), which keeps their intervals' skew.
    """
    a, b = false_positive_rate, false_negative_rate
    index = 1 - a.rate - b.rate
    below = math.hypot(a.upper - a.rate, b.upper - b.rate)
    above = math.hypot(a.rate - a.lower, b.rate - b.lower)
    return RateEstimate(
        index, max(-1.0, index - below), min(1.0, index + above), min(a.labels, b.labels)
    )
