"""The true share of right responses from the share that an erring verifier accepts.

pi = (p - rho0) / (1 - rho0 - rho1), cut to [0, 1] (Rogan and Gladen 1978). Its delta-method
variance, the derivatives by rho0 and rho1 being -(1 - pi) / J and pi / J with
J = 1 - rho0 - rho1:

    [p (1 - p) / n + (1 - pi)^2 Var rho0 + pi^2 Var rho1] / J^2
"""

from __future__ import annotations

import math
from typing import NamedTuple

from rewardsvc.noise.channel import Channel
from rewardsvc.noise.rates import INTERVAL, RateEstimate

__all__ = ["CorrectedMean", "rogan_gladen", "rogan_gladen_interval"]


class CorrectedMean(NamedTuple):
    """A corrected mean in [0, 1] with its interval."""

    mean: float
    lower: float
    upper: float
    standard_error: float


def rogan_gladen(acceptance_rate: float, channel: Channel) -> float:
    """The share of right responses, given the share of accepted ones, both in [0, 1].

    Raises:
        ValueError: an acceptance rate that is not in [0, 1].
    """
    if not 0 <= acceptance_rate <= 1:
        raise ValueError(f"acceptance_rate is {acceptance_rate}; must be in [0, 1]")
    return min(1.0, max(0.0, (acceptance_rate - channel.false_positive_rate) / channel.youden))


def rogan_gladen_interval(
    acceptance_rate: float,
    samples: float,
    false_positive_rate: RateEstimate,
    false_negative_rate: RateEstimate,
    level: float = INTERVAL,
) -> CorrectedMean:
    """The corrected mean of `samples` > 0 verdicts, with estimated rates.

    `samples` is the effective number: with several samples a prompt, about the prompts'.
    math.inf leaves the sampling of verdicts out: the mean of these very responses.

    Raises:
        ValueError: rates that sum to 1 or more, or numbers out of range.
    """
    from scipy.special import ndtri

    if not samples > 0:
        raise ValueError(f"samples is {samples}; must be above 0")
    channel = Channel(false_positive_rate.rate, false_negative_rate.rate)
    mean = rogan_gladen(acceptance_rate, channel)
    variance = (
        acceptance_rate * (1 - acceptance_rate) / samples
        + (1 - mean) ** 2 * false_positive_rate.variance
        + mean**2 * false_negative_rate.variance
    ) / channel.youden**2
    reach = float(ndtri((1 + level) / 2)) * math.sqrt(variance)
    return CorrectedMean(mean, max(0.0, mean - reach), min(1.0, mean + reach), math.sqrt(variance))
