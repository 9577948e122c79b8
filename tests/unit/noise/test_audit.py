"""Rates from audits: known numbers, weights, clusters, coverage, borrowing."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import numpy as np
import pytest

from rewardsvc.noise import AuditedVerdict, AuditFailed, NoiseEstimate, RateEstimate, estimate_noise
from rewardsvc.noise.shrinkage import prior_labels, shrunk_rate


def rows(*counts: tuple[int, bool, float], **rest: object) -> list[AuditedVerdict]:
    return [
        AuditedVerdict(accepted, truth, **rest)
        for count, accepted, truth in counts
        for _ in range(count)
    ]


PLAIN = rows((8, True, 0.0), (72, False, 0.0), (30, False, 1.0), (90, True, 1.0))


def test_rates_are_shares() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    estimate = estimate_noise(PLAIN, "v", fitted_at=at)
    cell = estimate.cell()
    assert cell.false_positive_rate.rate == pytest.approx(0.1)
    assert cell.false_negative_rate.rate == pytest.approx(0.25)
    # Nearly binomial: 80 wrong and 120 right responses.
    assert cell.false_positive_rate.labels == pytest.approx(80, rel=0.03)
    assert 0.05 < cell.false_positive_rate.lower < 0.07
    assert 0.15 < cell.false_positive_rate.upper < 0.18
    assert estimate.acceptance_rate == pytest.approx(98 / 200)
    assert estimate.true_rate == pytest.approx(0.6)
    assert (estimate.labels, estimate.fitted_at) == (200, "2026-01-01T00:00:00+00:00")
    assert estimate.warnings == ()
    assert NoiseEstimate.from_json(estimate.to_json()) == estimate


def test_rates_never_seen_are_not_certain() -> None:
    estimate = estimate_noise(rows((40, False, 0.0), (40, True, 1.0)), "v")
    rate = estimate.cell().false_positive_rate
    assert (rate.rate, rate.lower) == (0.0, 0.0)
    assert 0.03 < rate.upper < 0.08
    assert rate.variance > 0


def test_inclusion_probabilities_undo_the_sampling() -> None:
    # Accepted ones are audited ten times as rarely: each stands for ten.
    audited = rows((8, True, 0.0), (9, True, 1.0), inclusion_probability=0.1)
    audited += rows((720, False, 0.0), (30, False, 1.0))
    cell = estimate_noise(audited, "v").cell()
    assert cell.false_positive_rate.rate == pytest.approx(80 / 800)
    assert cell.false_negative_rate.rate == pytest.approx(30 / 120)
    assert cell.false_positive_rate.labels < 150


def test_samples_of_one_prompt_count_as_one_when_they_err_together() -> None:
    together = [
        AuditedVerdict(prompt < 5, 0.0, cluster_id=f"p{prompt}")
        for prompt in range(50)
        for _ in range(8)
    ]
    cell = estimate_noise([*together, *rows((50, True, 1.0))], "v").cell()
    assert cell.false_positive_rate.labels == pytest.approx(50, rel=0.05)


def test_intervals_cover_the_truth_under_stratified_clustered_sampling() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        truth = rng.random((300, 4)) < rng.beta(1, 1, size=(300, 1))
        accepted = np.where(truth, rng.random(truth.shape) > 0.2, rng.random(truth.shape) < 0.1)
        chosen = np.where(accepted, 0.1, 0.3)
        taken = rng.random(truth.shape) < chosen
        audited = [
            AuditedVerdict(bool(accepted[p, k]), float(truth[p, k]), float(chosen[p, k]), f"p{p}")
            for p, k in zip(*np.nonzero(taken), strict=True)
        ]
        cell = estimate_noise(audited, "v").cell()
        for rate, true in ((cell.false_positive_rate, 0.1), (cell.false_negative_rate, 0.2)):
            hits += rate.lower <= true <= rate.upper
    assert 0.85 <= hits / 400 <= 0.96


def test_useless_verifiers_are_disabled() -> None:
    coin = rows((50, True, 0.0), (50, False, 0.0), (50, False, 1.0), (50, True, 1.0))
    estimate = estimate_noise(coin, "coin")
    assert not estimate.cell().enabled
    assert any("disabled" in warning for warning in estimate.warnings)
    few = estimate_noise(rows((1, True, 1.0), (1, False, 0.0)), "few")
    assert not few.cell().enabled  # two labels prove nothing
    assert any("only 1 effective labels" in warning for warning in few.warnings)


def test_narrow_cells_borrow() -> None:
    audited = rows((8, True, 0.0), (72, False, 0.0), (24, False, 1.0), (96, True, 1.0), stage="a")
    audited += rows((1, False, 1.0), (2, True, 1.0), stage="b", answer_type="set", domain="d")
    estimate = estimate_noise(audited, "v")
    assert {cell.key for cell in estimate.cells} == {
        ("", "", ""), ("a", "", ""), ("b", "", ""), ("b", "set", ""), ("b", "set", "d"),
    }  # fmt: skip
    narrow = estimate.cell("b", "set", "d")
    everything = estimate.cell()
    # One of three rejected: between its own 1/3 and everybody's 0.203, nearer to the latter.
    assert everything.false_negative_rate.rate < narrow.false_negative_rate.rate < 0.27
    # No wrong response of its own at all.
    assert narrow.false_positive_rate.rate == pytest.approx(everything.false_positive_rate.rate)
    assert narrow.false_positive_rate.upper > everything.false_positive_rate.upper
    assert "0 wrong and 2 right responses' worth of its own" in narrow.borrowed


def test_siblings_say_how_much_to_borrow() -> None:
    parent = RateEstimate(0.3, 0.25, 0.35, 1000.0)
    alike = [RateEstimate(0.3, 0.2, 0.4, 50.0)] * 5
    unlike = [RateEstimate(rate, 0.0, 1.0, 50.0) for rate in (0.02, 0.1, 0.3, 0.5, 0.7)]
    assert prior_labels(alike, parent) == 200
    assert 2 <= prior_labels(unlike, parent) < 5
    assert prior_labels(alike[:2], parent) == 10
    half = shrunk_rate(RateEstimate(0.5, 0.0, 1.0, 10.0), 0.1, 10.0, 0.9)
    assert half.rate == pytest.approx(0.3)
    assert half.lower < 0.3 < half.upper


@pytest.mark.parametrize(
    ("audited", "error", "message"),
    [
        ([], AuditFailed, "no audited verdicts"),
        (rows((5, True, 1.0)), AuditFailed, "none of the 5 audited responses is wrong"),
        (rows((5, True, 0.0)), AuditFailed, "is right"),
        (rows((5, True, math.nan)), ValueError, "truth"),
        (rows((5, True, 1.5)), ValueError, "truth"),
        (rows((5, True, 1.0), inclusion_probability=0.0), ValueError, "inclusion_probability"),
        (rows((5, True, 1.0), inclusion_probability=math.nan), ValueError, "inclusion"),
    ],
)
def test_audits_that_say_nothing_are_refused(audited, error, message: str) -> None:
    with pytest.raises(error, match=message):
        estimate_noise(audited, "v")
