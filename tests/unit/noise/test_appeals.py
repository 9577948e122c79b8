"""Appeals in their bias-corrected form, and smoothing across batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rewardsvc.noise import Appeal, AppealRefused, Judge, RateEstimate, rates_from_appeals, smooth
from rewardsvc.noise.appeals import false_negative_rate_of_appeals, false_negatives_of_appeals


def test_golden_values() -> None:
    judge = Judge(0.1, 0.2)
    lost = false_negatives_of_appeals(12, 0.1, 600, judge)
    assert lost == pytest.approx(85.714286, abs=1e-6)
    assert false_negatives_of_appeals(12, 0.1, 600, Judge(0.0, 0.0)) == pytest.approx(120)
    rate = false_negative_rate_of_appeals(lost, 400, 1000, 0.02)
    assert rate == pytest.approx(0.180368, abs=1e-6)
    # The paper's own form, with a perfect judge and verifier.
    assert false_negative_rate_of_appeals(120, 400, 1000, 0.0) == pytest.approx(0.230769, abs=1e-6)
    assert false_negatives_of_appeals(1, 0.1, 600, judge) == 0.0


def test_both_rates_are_found_with_a_judge_that_errs() -> None:
    rng = np.random.default_rng(1)
    judge, estimates, plain = Judge(0.336, 0.162), [], []
    for seed in range(60):
        truth = rng.random(4000) < 0.5
        accepted = np.where(truth, rng.random(4000) > 0.2, rng.random(4000) < 0.05)
        judged = np.where(truth, rng.random(4000) > 0.162, rng.random(4000) < 0.336)
        chosen = np.where(accepted, 0.3, 0.2)
        taken = rng.random(4000) < chosen
        appeals = [
            Appeal(bool(accepted[k]), bool(judged[k]), float(chosen[k]))
            for k in np.flatnonzero(taken)
        ]
        found = rates_from_appeals(
            int(accepted.sum()), int((~accepted).sum()), appeals, judge, rounds=100, seed=seed
        )
        estimates.append(found)
        overturned = sum(a.judged_right for a in appeals if not a.accepted)
        plain.append(overturned / 0.2 / (overturned / 0.2 + accepted.sum()))
    rates = np.array(
        [(e.false_positive_rate.rate, e.false_negative_rate.rate, e.true_rate) for e in estimates]
    )
    np.testing.assert_allclose(rates.mean(axis=0), [0.05, 0.2, 0.5], atol=0.012)
    assert np.mean(plain) > 0.35  # what the uncorrected form makes of it
    covered = [e.false_negative_rate.lower <= 0.2 <= e.false_negative_rate.upper for e in estimates]
    assert np.mean(covered) > 0.78


UPHELD = [Appeal(True, True, 0.5)] * 10
KEPT = [Appeal(False, False, 0.5)] * 10


@pytest.mark.parametrize(
    ("accepted", "appeals", "judge", "message"),
    [
        (0, KEPT, Judge(0.1, 0.1), "no accepted response"),
        (20, UPHELD, Judge(0.1, 0.1), "no rejected response was re-checked"),
        (20, KEPT, Judge(0.1, 0.1), "no accepted response was re-checked"),
        (20, UPHELD + KEPT, Judge(0.5, 0.5), "no better than chance"),
        (20, UPHELD + KEPT, Judge(math.nan, 0.1), "false_positive_rate is nan"),
        (20, UPHELD + [Appeal(False, True, 0.5)] * 5, Judge(0.0, 0.0), "leave no wrong response"),
    ],
)
def test_appeals_that_say_nothing_are_refused(accepted, appeals, judge, message: str) -> None:
    with pytest.raises(AppealRefused, match=message):
        rates_from_appeals(accepted, 20, appeals, judge)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="sampled_share"):
        false_negatives_of_appeals(1, 0.0, 10, Judge(0.1, 0.1))
    with pytest.raises(ValueError, match="inclusion_probability"):
        rates_from_appeals(
            20, 20, [Appeal(True, True, math.nan), Appeal(False, False, 1.0)], Judge(0.1, 0.1)
        )
    with pytest.raises(AppealRefused, match="no right response"):
        false_negative_rate_of_appeals(0.0, 20, 1000, 0.05)
    with pytest.raises(AppealRefused, match="no accepted response"):
        false_negative_rate_of_appeals(10.0, 0, 1000, 0.05)


def test_nothing_overturned_is_not_certainty() -> None:
    found = rates_from_appeals(20, 20, UPHELD + KEPT, Judge(0.0, 0.0))
    for rate in (found.false_positive_rate, found.false_negative_rate):
        assert (rate.rate, rate.lower) == (0.0, 0.0)
        assert rate.upper == pytest.approx(-math.log(0.05) / 10)


def test_smoothing_skips_batches_that_say_nothing() -> None:
    first = RateEstimate(0.2, 0.1, 0.3, 50.0)
    assert smooth(None, None) is None
    assert smooth(None, first) == first
    assert smooth(first, None) == first
    after = smooth(first, RateEstimate(0.4, 0.2, 0.6, 20.0))
    assert after is not None
    assert after.rate == pytest.approx(0.22)
    assert after.labels == pytest.approx(1 / (0.81 / 50 + 0.01 / 20))
    assert after.lower < 0.22 < after.upper
    with pytest.raises(ValueError, match="decay"):
        smooth(first, first, decay=1.0)


def test_smoothing_converges_and_gains_labels() -> None:
    rng = np.random.default_rng(0)
    rate = None
    for _ in range(200):
        rate = smooth(rate, RateEstimate(rng.binomial(40, 0.3) / 40, 0.0, 1.0, 40.0))
    assert rate is not None
    assert rate.rate == pytest.approx(0.3, abs=0.05)
    assert rate.labels == pytest.approx(40 * 1.9 / 0.1, rel=0.01)
