"""Isotonic calibration: golden values, properties, and what it refuses to fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardsvc.calibration import METHODS, CalibrationFailed, IsotonicCalibrator, LabelledScores
from rewardsvc.calibration.isotonic import RANK_WEIGHT
from rewardsvc.errors import ConfigError


def make(scores: list[float], labels: list[float]) -> LabelledScores:
    return LabelledScores(np.array(scores, dtype=float), np.array(labels, dtype=float))


def noisy(seed: int = 0, count: int = 400) -> LabelledScores:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=count).round(2)
    labels = (rng.random(count) < 1 / (1 + np.exp(-2 * scores))).astype(float)
    return LabelledScores(scores, labels)


STEPS = make([*range(10), *range(10, 20), *range(20, 30)], [0] * 10 + [0, 1] * 5 + [1] * 10)


def test_golden_values() -> None:
    fitted = IsotonicCalibrator.fit(STEPS)
    # The first 0 of the middle joins the lower block, the last 1 the upper: 11, 8, 11.
    np.testing.assert_allclose(
        fitted.probabilities(np.array([-5.0, 10, 11, 15, 18, 19, 99])), [0, 0, 0.5, 0.5, 0.5, 1, 1]
    )
    np.testing.assert_allclose(fitted.probabilities(np.array([10.5, 18.5])), [0.25, 0.75])
    low, middle, high = fitted.confidences(np.array([0.0, 15.0, 29.0]))
    # Jeffreys intervals at 90 % for 0 of 11, 4 of 8 and 11 of 11; by numerical integration.
    assert (low.lower, low.upper) == pytest.approx((0.0, 0.156871), abs=1e-5)
    assert (middle.lower, middle.upper) == pytest.approx((0.239298, 0.760702), abs=1e-5)
    assert (high.lower, high.upper) == pytest.approx((0.843129, 1.0), abs=1e-5)
    assert middle.method == "isotonic"
    assert fitted.label_count == 30


usable = st.integers(0, 10_000).map(lambda seed: noisy(seed, 60 + seed % 100))


@settings(max_examples=30)
@given(usable)
def test_mean_is_kept_on_the_labels(data: LabelledScores) -> None:
    fitted = IsotonicCalibrator.fit(data)
    assert fitted.probabilities(data.scores).sum() == pytest.approx(data.labels.sum(), abs=1e-9)
    assert fitted.apply(data.scores).mean() == pytest.approx(data.labels.mean(), abs=RANK_WEIGHT)


@settings(max_examples=30)
@given(usable)
def test_monotone_ranked_and_bounded(data: LabelledScores) -> None:
    fitted = IsotonicCalibrator.fit(data)
    grid = np.unique(np.concatenate([np.linspace(-50, 50, 1001), data.scores]).round(6))
    probabilities, rewards = fitted.probabilities(grid), fitted.apply(grid)
    assert (np.diff(probabilities) >= 0).all()
    assert (np.diff(rewards) > 0).all()
    assert rewards.min() >= 0
    assert rewards.max() <= 1
    assert np.abs(rewards - probabilities).max() <= RANK_WEIGHT
    for confidence, probability in zip(fitted.confidences(grid), probabilities, strict=True):
        assert 0 <= confidence.lower <= confidence.probability <= confidence.upper <= 1
        assert confidence.probability == probability


def test_fractional_labels() -> None:
    data = make(list(range(20)), [0.25] * 10 + [0.75] * 10)
    np.testing.assert_allclose(
        IsotonicCalibrator.fit(data).probabilities(np.array([0.0, 19.0])), [0.25, 0.75]
    )


def test_one_score_does_not_depend_on_the_others_asked_for() -> None:
    fitted = IsotonicCalibrator.fit(noisy())
    together = fitted.apply(np.array([0.1, 5.0, -2.0]))
    assert together[0] == fitted.apply(np.array([0.1]))[0]


def test_json_round_trip_keeps_everything() -> None:
    fitted = IsotonicCalibrator.fit(noisy())
    content = json.loads(json.dumps(fitted.to_json()))
    again = IsotonicCalibrator.from_json(content)
    grid = np.linspace(-4, 4, 101)
    np.testing.assert_array_equal(again.apply(grid), fitted.apply(grid))
    assert again.confidences(grid) == fitted.confidences(grid)
    assert again.version == fitted.version == content["version"]
    content["probability"][0] += 0.01
    with pytest.raises(ConfigError, match="changed after it was made"):
        IsotonicCalibrator.from_json(content)
    del content["x"]
    with pytest.raises(ConfigError, match="not an isotonic calibrator: KeyError"):
        IsotonicCalibrator.from_json(content)


def test_version_follows_the_labels() -> None:
    versions = {IsotonicCalibrator.fit(noisy(seed)).version for seed in (0, 0, 1)}
    assert len(versions) == 2


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (range(19), [0, 1] * 9 + [0], "19 labels; at least 20"),
        (range(20), [1] * 20, "all 20 labels are 1"),
        ([3] * 20, [0, 1] * 10, "all 20 scores are 3"),
        (range(20), [1] * 10 + [0] * 10, "the scorer is inverted"),
        (range(40), ([1] + [0] * 19) * 2, "inverted or says nothing"),
    ],
)
def test_what_cannot_be_calibrated_says_why(
    scores: list[float], labels: list[float], message: str
) -> None:
    with pytest.raises(CalibrationFailed, match=message):
        IsotonicCalibrator.fit(make(list(scores), list(labels)))


def test_methods_fit_from_a_file(tmp_path: Path) -> None:
    data = noisy()
    path = tmp_path / "labels.jsonl"
    with path.open("w") as file:
        for score, label in zip(data.scores, data.labels, strict=True):
            file.write(json.dumps({"score": score, "label": label}) + "\n")
    assert METHODS["isotonic"](path).version == IsotonicCalibrator.fit(data).version
