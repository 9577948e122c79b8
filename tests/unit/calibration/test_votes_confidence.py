"""Confidence from votes: Jeffreys' interval at known values."""

from __future__ import annotations

import math

import pytest
from scipy.stats import beta

from rewardsvc.calibration.votes import confidence_from_votes


def test_known_values() -> None:
    confidence = confidence_from_votes(3, 4)
    assert confidence.probability == pytest.approx(0.7)
    assert confidence.lower == pytest.approx(beta.ppf(0.05, 3.5, 1.5))
    assert confidence.upper == pytest.approx(beta.ppf(0.95, 3.5, 1.5))
    assert confidence.method == "votes"
    unanimous = confidence_from_votes(4, 4)
    assert (unanimous.probability, unanimous.upper) == (0.9, 1.0)
    assert unanimous.lower == pytest.approx(beta.ppf(0.05, 4.5, 0.5))
    nobody = confidence_from_votes(0, 4)
    assert (nobody.probability, nobody.lower) == (pytest.approx(0.1), 0.0)


def test_no_votes_know_nothing() -> None:
    confidence = confidence_from_votes(0, 0)
    assert (confidence.probability, confidence.lower, confidence.upper) == (0.5, 0.0, 1.0)


@pytest.mark.parametrize("agreeing", [0, 0.5, 1, 2.5, 7, 8])
def test_symmetric_and_ordered(agreeing: float) -> None:
    one, other = confidence_from_votes(agreeing, 8), confidence_from_votes(8 - agreeing, 8)
    assert one.probability == pytest.approx(1 - other.probability)
    assert one.lower == pytest.approx(1 - other.upper)
    assert 0 <= one.lower <= one.probability <= one.upper <= 1


@pytest.mark.parametrize("votes", [(-1, 4), (5, 4), (math.nan, 4), (1, math.nan), (1, math.inf)])
def test_impossible_votes_are_refused(votes: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="must be 0 <="):
        confidence_from_votes(*votes)
