"""A noise estimate as GetNoiseRates tells it."""

from __future__ import annotations

from rewardsvc.labels.types import NoiseRate, NoiseRates, RateEstimate
from rewardsvc.noise import NoiseEstimate
from rewardsvc.noise import RateEstimate as Estimated


def rates_of(estimate: NoiseEstimate, domain: str = "") -> NoiseRates:
    """The rates of each kind of sample, wider kinds first; of one domain if it is named."""
    cells = [cell for cell in estimate.cells if not domain or cell.domain == domain]
    cells.sort(key=lambda cell: (sum(map(bool, cell.key)), cell.key))
    return NoiseRates(
        estimate.version,
        tuple(
            NoiseRate(*cell.key, _rate(cell.false_positive_rate), _rate(cell.false_negative_rate))
            for cell in cells
        ),
    )


def _rate(rate: Estimated) -> RateEstimate:
    return RateEstimate(rate.rate, rate.lower, rate.upper, rate.labels)
