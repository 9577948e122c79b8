"""Means with intervals, split-conformal intervals, resampled clusters, nearest centroids."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fixtures.labelled_scores import make, noisy

from rewardsvc.calibration import CalibrationFailed, LabelledScores
from rewardsvc.calibration.conformal import conformal_interval, conformal_radius, conformal_rank
from rewardsvc.calibration.mean import augmented_mean, oua_variance, slice_mean
from rewardsvc.calibration.nearest_centroid import NearestCentroid
from rewardsvc.calibration.sample import Sample, folds_of
from rewardsvc.intervals import cluster_bootstrap, design_effect, effective_size, jeffreys


def test_oua_golden_value() -> None:
    assert oua_variance(np.array([0.50, 0.52, 0.48, 0.51, 0.49])) == pytest.approx(8.0e-4)
    assert oua_variance(np.array([0.5])) == 0.0


def _prompts(seed: int, prompts: int, per_prompt: int = 4) -> tuple[LabelledScores, np.ndarray]:
    """Labels that vary by prompt too, beyond what the score says; and the scores' prompts."""
    rng = np.random.default_rng(seed)
    ease = np.repeat(rng.normal(size=prompts), per_prompt)
    scores = ease + rng.normal(size=len(ease))
    labels = (rng.random(len(ease)) < 1 / (1 + np.exp(-2 * ease))).astype(float)
    place = np.repeat(np.arange(prompts), per_prompt)
    return LabelledScores(scores, labels, tuple(f"{seed}-{p}" for p in place)), place


def test_slice_means_hold_the_truth() -> None:
    held = {False: 0, True: 0}
    for seed in range(60):
        labelled, _ = _prompts(seed, 80)
        other, place = _prompts(10_000 + seed, 100)
        for population in held:
            found = slice_mean(
                labelled,
                other.scores,
                tuple(str(p) for p in place),
                population=population,
                method="platt",
            )
            truth = 0.5 if population else other.labels.mean()
            held[population] += found.lower <= truth <= found.upper
            assert 0 <= found.lower <= found.mean <= found.upper <= 1
    assert 47 <= held[False] <= 60
    assert 47 <= held[True] <= 60


def test_augmented_means_are_right_with_a_scorer_that_is_not() -> None:
    rng = np.random.default_rng(0)
    errors, held = [], 0
    for seed in range(40):
        data, _ = _prompts(seed, 150)
        truth = data.labels.mean()
        scores = data.scores + 3 * (data.labels == 0) * (rng.random(len(data)) < 0.2)  # hacked
        chosen = np.where(scores > 1, 0.6, 0.2)
        labels = np.where(rng.random(len(data)) < chosen, data.labels, np.nan)
        found = augmented_mean(scores, labels, chosen, data.cluster_ids)
        errors.append(found.mean - truth)
        held += found.lower <= truth <= found.upper
    assert abs(np.mean(errors)) < 0.015
    assert held >= 33
    everything = augmented_mean(data.scores, data.labels, None, data.cluster_ids)
    assert everything.mean == pytest.approx(data.labels.mean())


def test_a_scorer_that_says_nothing_gives_the_labels_mean() -> None:
    rng = np.random.default_rng(0)
    useless = LabelledScores(rng.normal(size=100), np.array([0.0, 0.0, 0.0, 1.0] * 25))
    inverted = LabelledScores(-np.sort(-useless.labels), useless.labels[::-1])
    assert slice_mean(useless, rng.normal(size=50)).mean == pytest.approx(0.25, abs=0.1)
    assert slice_mean(inverted, np.array([0.0, 1.0])).mean == pytest.approx(0.25, abs=0.35)
    with pytest.raises(CalibrationFailed, match="at least 20"):
        slice_mean(make([1.0, 2.0], [0.0, 1.0]), np.ones(3))
    for wrong in (np.zeros(0), np.array([math.nan])):
        with pytest.raises(ValueError, match="scores must be finite"):
            slice_mean(useless, wrong)


def test_conformal_rank_golden_values() -> None:
    assert conformal_rank(8, 0.1) is None
    assert conformal_rank(9, 0.1) == 9
    assert conformal_rank(19, 0.05) == 19
    assert conformal_radius(np.arange(8.0)) == math.inf
    assert conformal_radius(np.arange(9.0)) == 8.0
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="miss"):
            conformal_rank(9, wrong)
    for residuals in ([math.nan], [-1.0]):
        with pytest.raises(ValueError, match="residuals"):
            conformal_radius(np.array(residuals))


def test_conformal_intervals_hold_the_next_label() -> None:
    rng = np.random.default_rng(0)
    held = []
    for _ in range(400):
        p = rng.random(60)
        y = np.clip(p + rng.normal(scale=0.1, size=60), 0, 1)
        lower, upper = conformal_interval(p[50:], conformal_radius(np.abs(y - p)[:50]))
        held.extend((lower <= y[50:]) & (y[50:] <= upper))
    assert 0.885 <= np.mean(held) <= 0.93


def test_clusters_go_to_folds_whole_and_by_name() -> None:
    data = noisy()
    folds = folds_of(Sample.of(data))
    of_cluster = {}
    for cluster, fold in zip(data.cluster_ids, folds.tolist(), strict=True):
        assert of_cluster.setdefault(cluster, fold) == fold
    assert sorted(np.bincount(list(of_cluster.values()))) == [20] * 5
    few = Sample.of(make(range(8), [0, 1] * 4, cluster_ids=tuple("aabbccdd")))
    assert folds_of(few).max() == 1


def test_intervals_of_shares_and_of_resampled_clusters() -> None:
    lower, upper = jeffreys(np.array([0.0, 4.0, 11.0]), np.array([11.0, 8.0, 11.0]))
    np.testing.assert_allclose(lower, [0, 0.239298, 0.843129], atol=1e-6)
    np.testing.assert_allclose(upper, [0.156871, 0.760702, 1], atol=1e-6)
    assert effective_size(np.array([1.0, 1.0, 2.0])) == pytest.approx(16 / 6)
    clusters = np.repeat(np.arange(50), 4)
    same = np.repeat(np.random.default_rng(0).normal(size=50), 4)
    assert design_effect(same, np.ones(200), clusters) == pytest.approx(4)
    found = cluster_bootstrap(lambda rows: float(same[rows].mean()), clusters)
    assert found is not None
    width = (found[1] - found[0]) / 2 / 1.645
    assert width == pytest.approx(same.std() / math.sqrt(50), rel=0.15)
    assert cluster_bootstrap(lambda rows: None, clusters) is None
    assert cluster_bootstrap(lambda rows: 1.0, np.zeros(5, dtype=int)) is None


def test_nearest_centroids() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    features = rng.normal(size=(200, 3, 8)) + 0.7 * labels[:, None, None]
    fitted = NearestCentroid.fit(features[:100], labels[:100])
    found = fitted.distances(features[100:])
    assert ((found.score > 0) == labels[100:]).mean() > 0.9
    by_hand = np.linalg.norm(features[100] - fitted.right, axis=1).mean()
    assert found.to_right[0] == pytest.approx(by_hand)
    features[3] = math.nan
    assert math.isnan(fitted.distances(features[:5]).score[3])
    assert np.isfinite(NearestCentroid.fit(features, labels).right).all()
    with pytest.raises(CalibrationFailed, match="no wrong response"):
        NearestCentroid.fit(features, np.ones(200))
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        NearestCentroid.fit(features, labels / 2)
    with pytest.raises(ValueError, match=r"must be \(responses, 3, 8\)"):
        fitted.distances(np.zeros((2, 3, 9)))
