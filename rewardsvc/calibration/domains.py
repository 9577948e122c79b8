"""One domain's map when the domain has few labels: borrow from all domains, and say so.

* own: the domain has at least 100 labels in 20 clusters that vary; its labels alone are used.
* shrunk: fewer; the map of all labels, with a constant added to its log-odds that says how
  the domain differs. The constant is the posterior mode under N(0, t^2), with t^2 the variance
  of such constants between domains by the method of moments (DerSimonian and Laird 1986, on
  the domains' own estimates and their variances); t = 1 while there are fewer than three
  domains to learn it from. Its information is divided by the labels' design effect, so that a
  hundred responses to one prompt do not weigh like a hundred prompts.
* pooled: no label of the domain; the map of all labels as it is.

That domains differ by a constant in log-odds is the assumption (derived); where the score
means something else in a domain, only labels of that domain can tell.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.fitted import shift_log_odds
from rewardsvc.calibration.maps import CalibrationMap
from rewardsvc.calibration.method import FitMap
from rewardsvc.calibration.sample import Sample
from rewardsvc.intervals import design_effect

__all__ = ["OWN_CLUSTERS", "OWN_LABELS", "Borrowing", "Shifted", "borrowing_for"]

OWN_LABELS = 100
OWN_CLUSTERS = 20
_DEFAULT_SPREAD = 1.0
_FEWEST_DOMAINS = 3
# Keeps a domain's own estimate finite when all its labels agree.
_OWN_PRIOR_SPREAD = 3.0


class Shifted(NamedTuple):
    """A map and the constant added to its log-odds."""

    map: CalibrationMap
    shift: float


class Borrowing(NamedTuple):
    """Which labels a domain's calibrator is fitted on, and how."""

    sample: Sample
    domain: int | None
    """The domain whose constant is added; None: none is."""
    spread: float
    """Standard deviation of the constants between domains."""
    fallback: str
    """The borrowing in words; empty when there is none."""

    def fit(self, fit: FitMap, sample: Sample) -> Shifted:
        """The map and constant of some of the labels, e.g. all but a fold."""
        fitted = fit(sample)
        if self.domain is None:
            return Shifted(fitted, 0.0)
        mine = sample.domains == self.domain
        return Shifted(fitted, _shift(fitted, sample, mine, self.spread)[0])


def borrowing_for(sample: Sample, domains: tuple[str, ...], domain: str, fit: FitMap) -> Borrowing:
    """How to calibrate `domain` (empty: all domains) with these labels."""
    mine = np.array([each == domain for each in domains], dtype=np.bool_)
    count = int(mine.sum())
    if not domain or count == len(mine):
        return Borrowing(sample, None, 0.0, "")
    if not count:
        return Borrowing(
            sample,
            None,
            0.0,
            f"pooled: there is no label of domain {domain!r}; the map is that of all "
            f"{len(mine)} labels",
        )
    own = sample.take(mine)
    varies = own.labels.min() < own.labels.max() and own.scores.min() < own.scores.max()
    if count >= OWN_LABELS and own.cluster_count >= OWN_CLUSTERS and varies:
        return Borrowing(own, None, 0.0, "")
    spread = _spread(fit(sample), sample)
    return Borrowing(
        sample,
        int(own.domains[0]),
        spread,
        f"shrunk: domain {domain!r} has {count} labels in {own.cluster_count} clusters "
        f"(a map of its own needs {OWN_LABELS} in {OWN_CLUSTERS}); the map is that of all "
        f"{len(mine)} labels with a constant added to its log-odds (spread between domains "
        f"{spread:.3g})",
    )


def _spread(fitted: CalibrationMap, sample: Sample) -> float:
    names = np.unique(sample.domains)
    if len(names) < _FEWEST_DOMAINS:
        return _DEFAULT_SPREAD
    estimates = [
        _shift(fitted, sample, sample.domains == name, _OWN_PRIOR_SPREAD) for name in names
    ]
    shift, information = (np.array(column) for column in zip(*estimates, strict=True))
    center = np.average(shift, weights=information)
    excess = information @ (shift - center) ** 2 - (len(names) - 1)
    scale = information.sum() - (information**2).sum() / information.sum()
    # At least a little, so that no domain is forbidden to differ by so few domains' word.
    return float(max(0.1, max(0.0, excess / scale) ** 0.5)) if scale > 0 else _DEFAULT_SPREAD


def _shift(
    fitted: CalibrationMap, sample: Sample, mine: NDArray[np.bool_], spread: float
) -> tuple[float, float]:
    """Posterior mode of the domain's constant, and the information in its labels."""
    own = sample.take(mine)
    if not len(own):
        return 0.0, 0.0
    base = fitted(own.scores)
    residual = own.labels - base
    weights = own.weights / design_effect(residual, own.weights, own.clusters)
    shift, information = 0.0, 0.0
    low, high = -20.0, 20.0
    for _ in range(60):  # the slope falls in the shift: bisection always ends
        shift = (low + high) / 2
        moved = shift_log_odds(base, shift)
        information = float(weights @ (moved * (1 - moved)))
        slope = float(weights @ (own.labels - moved)) - shift / spread**2
        low, high = (shift, high) if slope > 0 else (low, shift)
    return shift, max(information, 1e-9)
