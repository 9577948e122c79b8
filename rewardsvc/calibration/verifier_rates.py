"""How likely a response is right, given what a verifier of known error rates said.

Derived (Bayes): with prior share p of right responses, false positive rate a and false
negative rate b,

    P(right | correct)   = (1 - b) p / ((1 - b) p + a (1 - p))
    P(right | incorrect) = b p / (b p + (1 - a) (1 - p))

The first falls in both rates and the second rises in both, so the ends of the interval come
from the ends of the rates' intervals. It covers that the rates are estimates,
not that the prior may be wrong.
"""

from __future__ import annotations

from typing import NamedTuple

from rewardsvc.types import Confidence

METHOD = "verifier_rates"


class RateInterval(NamedTuple):
    """An error rate with its interval, all in [0, 1]."""

    estimate: float
    lower: float
    upper: float


def confidence_of_verdict(
    accepted: bool,
    false_positive_rate: RateInterval,
    false_negative_rate: RateInterval,
    prior: float,
) -> Confidence:
    """The probability that a response with this verdict is right; `prior` is in (0, 1)."""
    if not 0 < prior < 1:
        raise ValueError(f"prior is {prior}; must lie between 0 and 1")
    a, b = false_positive_rate, false_negative_rate
    if accepted:
        return Confidence(
            _accepted(a.estimate, b.estimate, prior),
            _accepted(a.upper, b.upper, prior),
            _accepted(a.lower, b.lower, prior),
            METHOD,
        )
    return Confidence(
        _rejected(a.estimate, b.estimate, prior),
        _rejected(a.lower, b.lower, prior),
        _rejected(a.upper, b.upper, prior),
        METHOD,
    )


def _accepted(false_positive: float, false_negative: float, prior: float) -> float:
    right = (1 - false_negative) * prior
    return _share(right, false_positive * (1 - prior), prior)


def _rejected(false_positive: float, false_negative: float, prior: float) -> float:
    right = false_negative * prior
    return _share(right, (1 - false_positive) * (1 - prior), prior)


def _share(right: float, wrong: float, prior: float) -> float:
    # A verifier that cannot have said this tells nothing.
    return right / (right + wrong) if right + wrong > 0 else prior
