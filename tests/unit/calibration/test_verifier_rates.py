"""Bayes with error rates: golden values, and how the probability moves with the rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.calibration.verifier_rates import RateInterval, confidence_of_verdict

A = RateInterval(0.1, 0.05, 0.2)
B = RateInterval(0.2, 0.1, 0.3)
intervals = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(
    lambda values: RateInterval(*(sorted(values)[index] for index in (1, 0, 2)))
)


def test_golden_values():
    accepted = confidence_of_verdict(True, A, B, 0.5)
    assert accepted.probability == pytest.approx(0.8 / 0.9)
    assert accepted.lower == pytest.approx(0.7 / 0.9)
    assert accepted.upper == pytest.approx(0.9 / 0.95)
    rejected = confidence_of_verdict(False, A, B, 0.5)
    assert rejected.probability == pytest.approx(0.2 / 1.1)
    assert rejected.lower == pytest.approx(0.1 / 1.05)
    assert rejected.upper == pytest.approx(0.3 / 1.1)
    assert confidence_of_verdict(True, A, B, 0.9).probability == pytest.approx(0.72 / 0.73)
    assert accepted.method == "verifier_rates"


@given(st.booleans(), intervals, intervals, st.floats(0.01, 0.99))
def test_the_interval_holds_the_probability(accepted, a, b, prior):
    confidence = confidence_of_verdict(accepted, a, b, prior)
    assert 0 <= confidence.lower <= confidence.probability + 1e-12
    assert confidence.probability <= confidence.upper + 1e-12
    assert confidence.upper <= 1


def test_a_verdict_that_cannot_be_says_nothing():
    always = RateInterval(0.0, 0.0, 0.0)
    never = RateInterval(1.0, 1.0, 1.0)
    assert confidence_of_verdict(True, always, never, 0.3).probability == 0.3


@pytest.mark.parametrize("prior", [0.0, 1.0, -1.0, float("nan")])
def test_a_prior_that_is_none_is_refused(prior):
    with pytest.raises(ValueError, match="prior"):
        confidence_of_verdict(True, A, B, prior)
