"""Weights of a program's tests by how informative they are within a group.

VeRPO (arXiv 2601.03525, from a summary of it): with rho_j the share of a group's programs that
pass test j, tests that few pass weigh more, and tests that many others resemble weigh less,

    w_j = exp(-alpha rho_j) / (density_j + delta),
    density_j = sum_j' exp(-(rho_j - rho_j')^2 / (2 sigma^2)).

alpha = 2 is the paper's; sigma = 0.1, delta = 1e-8 and the scaling to sum 1 are ours. A test
that all programs pass, or none, says nothing within the group: `informative` tells.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["WeightsOfTests", "weigh_tests"]


class WeightsOfTests(NamedTuple):
    """Weights of the tests, summing to 1, and whether any of them tells programs apart."""

    weights: NDArray[np.float64]
    informative: bool


def weigh_tests(
    pass_rates: NDArray[np.floating], *, alpha: float = 2.0, sigma: float = 0.1, delta: float = 1e-8
) -> WeightsOfTests:
    """The weights of tests with these pass rates, shape (tests,), each in [0, 1].

    Raises:
        ValueError: no tests, a rate that is not in [0, 1], or sigma not above 0.
    """
    rates = np.asarray(pass_rates, dtype=np.float64)
    if rates.ndim != 1 or not len(rates) or not ((rates >= 0) & (rates <= 1)).all():
        raise ValueError("pass_rates must be in [0, 1], of shape (tests,), at least one")
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}; must be above 0")
    density = np.exp(-((rates[:, None] - rates) ** 2) / (2 * sigma**2)).sum(axis=1)
    weights = np.exp(-alpha * rates) / (density + delta)
    return WeightsOfTests(weights / weights.sum(), bool(((rates > 0) & (rates < 1)).any()))
