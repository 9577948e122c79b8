"""Drift against the set that a reward is calibrated on."""

from __future__ import annotations

import numpy as np
import pytest

from rewardsvc.assembly import Part, Recipe, SameEverywhere
from rewardsvc.calibration import LabelledScores, fit_calibrator
from rewardsvc.calibration.ranks import labelled_scores, rank_curve
from rewardsvc.monitoring.references import calibration_references
from rewardsvc.shaping import SHAPERS


@pytest.mark.parametrize("shares", [(1.0,), (0.1, 0.9), (0.5, 0.2, 0.3)])
def test_few_distinct_scores_are_recovered(shares):
    scores = np.repeat(np.arange(len(shares), dtype=float), [round(100 * s) for s in shares])
    found = labelled_scores(rank_curve(scores), 1000)
    assert np.bincount(found.astype(int)) / 1000 == pytest.approx(shares)


def test_many_distinct_scores_are_recovered_nearly():
    scores = np.random.default_rng(0).normal(size=5000)
    found = labelled_scores(rank_curve(scores), 1000)
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx(
        np.quantile(scores, [0.1, 0.5, 0.9]), abs=0.02
    )


def test_a_calibrated_component_says_what_its_set_looked_like():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=400)
    labels = (generator.random(400) < 1 / (1 + np.exp(-scores))).astype(float)
    calibrator = fit_calibrator(LabelledScores(scores, labels), "platt")
    part = Part("a", calibrators=SameEverywhere(calibrator))
    found = calibration_references(Recipe((part,), "weighted_sum"))
    assert found["reward_drift"].mean() == pytest.approx(labels.mean(), abs=0.02)
    assert found["confidence_drift"].shape == (1000,)
    shaped = Recipe((part,), "weighted_sum", shaping=(SHAPERS["log_sigmoid"](),))
    assert calibration_references(shaped) == {}
    assert calibration_references(Recipe((Part("a"),), "weighted_sum")) == {}
