"""Ensemble objectives: one score from the members' standardised scores.

Every function takes (samples, members), NaN where a member failed, and gives (samples,): the
objective over the members present, NaN where there are none.

Source: Coste et al., "Reward Model Ensembles Help Mitigate Overoptimization"
(arXiv 2310.02743), equations 3 to 5, for mean, worst_case (WCO) and uncertainty_weighted
(UWO). Their two code paths use different variances (numpy's population variance for
best-of-n, torch's sample variance for PPO) and read a weight of 0 as 1; here the variance is
the population's (ddof=0) throughout, so that one member has variance 0, and a weight of 0 is
the mean. Members are standardised beforehand, because a minimum and a variance over members
with different offsets measure the offsets.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate.learned import LearnedObjective, load_objective
from rewardsvc.aggregate.members import Scores, mask_failures, population_moments
from rewardsvc.errors import ConfigError

__all__ = [
    "FITTED_OBJECTIVES",
    "OBJECTIVES",
    "Objective",
    "lower_bound",
    "mean",
    "median",
    "objective_named",
    "uncertainty_weighted",
    "worst_case",
]


def mean(scores: NDArray[np.floating]) -> Scores:
    """The mean of the members (Coste et al., equation 3)."""
    return population_moments(scores)[0]


def worst_case(scores: NDArray[np.floating]) -> Scores:
    """The lowest member, WCO (Coste et al., equation 4)."""
    matrix = mask_failures(scores)
    lowest = np.where(np.isnan(matrix), np.inf, matrix).min(axis=1)
    return np.where(np.isinf(lowest), np.nan, lowest)


def uncertainty_weighted(scores: NDArray[np.floating], uncertainty_weight: float = 0.5) -> Scores:
    """Mean minus `uncertainty_weight` times the population variance, UWO (equation 5).

    `uncertainty_weight` (their lambda) is at least 0; they use 0.5 for best-of-n and 0.1 for
    PPO. 0 is the mean.
    """
    average, variance = population_moments(scores)
    return average - uncertainty_weight * variance


def lower_bound(scores: NDArray[np.floating], z: float = 1.0) -> Scores:
    """Mean minus `z` population standard deviations (derived: a one-sided normal bound).

    `z` is at least 0. Unlike uncertainty_weighted it keeps the unit of the scores, so it
    scales with them. It bounds where a member may lie, not where the mean may lie: there is
    no division by the root of the number of members, as members trained on the same data err
    together.
    """
    average, variance = population_moments(scores)
    return average - z * np.sqrt(variance)


def median(scores: NDArray[np.floating]) -> Scores:
    """The median of the members present; with an even number, the mean of the middle two.

    Derived: up to half of the members may be arbitrarily wrong without moving it beyond the
    others, so one hacked or broken member does not decide; unlike worst_case in either direction.
    """
    ordered = np.sort(mask_failures(scores), axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)[:, None]
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=1)[:, 0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, ordered.shape[1] - 1), axis=1)[:, 0]
    return np.asarray(low + (high - low) / 2)


@dataclass(frozen=True, slots=True)
class Objective:
    """An objective and the parameters it takes, with their defaults."""

    name: str
    function: Callable[..., Scores]
    defaults: Mapping[str, float]

    def with_parameters(self, **parameters: float) -> Callable[[NDArray[np.floating]], Scores]:
        """The objective as a function of the scores alone.

        Raises:
            ConfigError: a parameter the objective does not have, or one that is negative or
                not finite.
        """
        for name, value in parameters.items():
            if name not in self.defaults:
                allowed = ", ".join(self.defaults) or "no parameters"
                raise ConfigError(f"objective {self.name} takes {allowed}, not {name}")
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be a finite number >= 0, not {value!r}")
        chosen = {**self.defaults, **parameters}

        def apply(scores: NDArray[np.floating]) -> Scores:
            return self.function(scores, **chosen)

        return apply


def _objective(function: Callable[..., Scores], **defaults: float) -> tuple[str, Objective]:
    name = function.__name__
    return name, Objective(name, function, MappingProxyType(defaults))


OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    dict(
        [
            _objective(mean),
            _objective(worst_case),
            _objective(uncertainty_weighted, uncertainty_weight=0.5),
            _objective(lower_bound, z=1.0),
            _objective(median),
        ]
    )
)
"""Objectives of standardised scores, by the name that configurations use."""

FITTED_OBJECTIVES: Mapping[str, Callable[[Path, Sequence[str]], LearnedObjective]] = (
    MappingProxyType({LearnedObjective.name: load_objective})
)
"""Objectives that are read from a file (path, members) and take raw scores, by name."""


def objective_named(name: str) -> Objective:
    """The objective called `name`.

    Raises:
        ConfigError: there is none of that name; the message lists those there are.
    """
    try:
        return OBJECTIVES[name]
    except KeyError:
        raise ConfigError(f"objective: {name!r} is not one of {', '.join(OBJECTIVES)}") from None
