"""Fitting, whatever the method: golden values, properties, JSON, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from fixtures.labelled_scores import make, noisy, truth
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rewardsvc.calibration import (
    METHODS,
    CalibrationFailed,
    FittedCalibrator,
    LabelledScore,
    LabelledScores,
    fit_calibrator,
    fit_file,
)
from rewardsvc.calibration.fitted import RANK_WEIGHT
from rewardsvc.errors import ConfigError

STEPS = make([*range(10), *range(10, 20), *range(20, 30)], [0] * 10 + [0, 1] * 5 + [1] * 10)
MONOTONE = ("isotonic", "autocal", "platt", "temperature", "beta")
usable = st.integers(0, 10_000).map(lambda seed: noisy(seed, 60 + seed % 100))


def fit(data: LabelledScores, method: str = "isotonic", domain: str = "") -> FittedCalibrator:
    """With few bootstrap rounds, for tests that do not look at intervals."""
    return fit_calibrator(data, method, domain, rounds=3)


def test_isotonic_golden_values() -> None:
    fitted = fit_calibrator(STEPS)
    # The first 0 of the middle joins the lower block, the last 1 the upper: 11, 8, 11.
    np.testing.assert_allclose(
        fitted.probabilities(np.array([-5.0, 10, 11, 15, 18, 19, 99])), [0, 0, 0.5, 0.5, 0.5, 1, 1]
    )
    np.testing.assert_allclose(fitted.probabilities(np.array([10.5, 18.5])), [0.25, 0.75])
    low, middle, high = fitted.confidences(np.array([0.0, 15.0, 29.0]))
    # At least the 90 % Jeffreys intervals for 0 of 11, 4 of 8 and 11 of 11.
    assert (low.lower, low.upper) == pytest.approx((0.0, 0.156871), abs=1e-5)
    assert middle.lower <= 0.239298 and middle.upper >= 0.760702
    assert (high.lower, high.upper) == pytest.approx((0.843129, 1.0), abs=1e-5)
    assert middle.method == "isotonic"
    assert (fitted.labels, fitted.clusters, fitted.fallback) == (30, 30, "")


@settings(max_examples=25, deadline=None)
@given(usable, st.sampled_from(["isotonic", "two_stage", "histogram"]))
def test_the_mean_of_the_labels_is_kept(data: LabelledScores, method: str) -> None:
    fitted = fit(data, method)
    assert fitted.probabilities(data.scores).sum() == pytest.approx(data.labels.sum(), abs=1e-9)
    assert fitted.apply(data.scores).mean() == pytest.approx(data.labels.mean(), abs=RANK_WEIGHT)


@settings(max_examples=25, deadline=None)
@given(usable, st.sampled_from(MONOTONE))
def test_monotone_ranked_and_bounded(data: LabelledScores, method: str) -> None:
    fitted = fit(data, method)
    # Where it is better out of fold, autocal takes the two-stage map, which may fall.
    assume(fitted.details.get("chosen") != "two_stage")
    grid = np.unique(np.concatenate([np.linspace(-50, 50, 1001), data.scores]).round(6))
    probabilities, rewards = fitted.probabilities(grid), fitted.apply(grid)
    assert (np.diff(probabilities) >= 0).all()
    assert (np.diff(rewards) > 0).all()
    assert rewards.min() >= 0
    assert rewards.max() <= 1
    assert np.abs(rewards - probabilities).max() <= RANK_WEIGHT


@pytest.mark.parametrize("method", METHODS)
def test_every_method_finds_the_truth(method: str) -> None:
    fitted = fit_calibrator(noisy(1, 4000), method, rounds=40)
    grid = np.linspace(-2, 2, 41)
    assert np.abs(fitted.probabilities(grid) - truth(grid)).mean() < 0.06
    confidences = fitted.confidences(grid)
    for confidence in confidences:
        assert 0 <= confidence.lower <= confidence.probability <= confidence.upper <= 1
    assert fitted.metrics["debiased_l2"] < 0.06
    assert fitted.metrics["auroc"] == pytest.approx(0.866, abs=0.02)
    assert not fitted.undefined
    curve = fitted.curve
    assert len(curve) <= 101
    assert [point.score for point in curve] == sorted(point.score for point in curve)


@pytest.mark.parametrize("method", METHODS)
def test_json_round_trip_keeps_everything(method: str) -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    fitted = fit_calibrator(noisy(), method, fitted_at=at, rounds=5)
    content = json.loads(json.dumps(fitted.to_json(), allow_nan=False))
    again = FittedCalibrator.from_json(content)
    grid = np.linspace(-4, 4, 101)
    np.testing.assert_array_equal(again.apply(grid), fitted.apply(grid))
    assert again.confidences(grid) == fitted.confidences(grid)
    assert again.curve == fitted.curve
    assert again.to_json() == fitted.to_json()
    assert again.version == fitted.version == content["version"]
    assert fitted.version.startswith(f"{method}-")
    assert again.fitted_at == "2026-01-02T00:00:00+00:00"
    assert fit_calibrator(noisy(), method, rounds=5).version == fitted.version


def _set(path: str, value: object):
    def change(content: dict) -> None:
        *outer, last = path.split(".")
        for key in outer:
            content = content[key]
        content[int(last) if last.isdigit() else last] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_set("shift", 0.5), "changed after it was made"),
        (_set("map.y", [0.5]), "must have one shape"),
        (_set("map.y.0", float("nan")), "must be a finite number"),
        (_set("map.y.0", 10**400), "must be a finite number"),
        (_set("map.y.0", "0.5"), "must be a number"),
        (_set("map.y.0", -0.1), r"y must be in \[0, 1\]"),
        (_set("map.z", [1.0]), "has the parameters"),
        (_set("form", "lambda"), "form is 'lambda'; allowed: piecewise_linear"),
        (_set("band.lower", [0.0]), "band: x, lower and upper must have one shape"),
        (_set("labels", -1), "labels: is -1; must be a whole number >= 0"),
        (_set("labels", True), "labels: is True"),
        (_set("extra", 1), "unknown keys: extra"),
        (_set("schema", "rewardsvc.calibrator/0"), "schema is 'rewardsvc.calibrator/0'"),
        (_set("warnings", "none"), "warnings: is 'none'; must be a list"),
        (_set("metrics", {"brier": "low"}), "brier: is 'low'; must be a whole number or a number"),
        (_set("fitted_at", "yesterday"), "Invalid isoformat"),
        (lambda content: content.pop("rank"), "rank: is missing"),
    ],
)
def test_content_that_is_no_calibrator_is_refused(change, message: str) -> None:
    content = json.loads(json.dumps(fit(noisy()).to_json()))
    change(content)
    with pytest.raises(ConfigError, match=message):
        FittedCalibrator.from_json(content)


def test_content_must_be_an_object() -> None:
    with pytest.raises(ConfigError, match="must be an object, not list"):
        FittedCalibrator.from_json([])


def test_one_score_does_not_depend_on_the_others_asked_for() -> None:
    fitted = fit(noisy())
    together = fitted.apply(np.array([0.1, 5.0, -2.0]))
    assert together[0] == fitted.apply(np.array([0.1]))[0]


@pytest.mark.parametrize("method", METHODS)
def test_extreme_scores_stay_in_range(method: str) -> None:
    rewards = fit(noisy(), method).apply(np.array([-1e308, -1e30, 1e30, 1e308]))
    assert ((rewards >= 0) & (rewards <= 1)).all()


@pytest.mark.parametrize("method", ["isotonic", "platt", "scaling_binning"])
def test_the_order_of_labels_does_not_matter(method: str) -> None:
    data = noisy()
    order = np.random.default_rng(3).permutation(len(data))
    shuffled = LabelledScores(
        data.scores[order], data.labels[order], tuple(data.cluster_ids[k] for k in order)
    )
    grid = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(
        fit(data, method).apply(grid), fit(shuffled, method).apply(grid), atol=1e-6
    )
    np.testing.assert_allclose(
        [fit(data, method).metrics["brier"]], [fit(shuffled, method).metrics["brier"]], atol=1e-6
    )


def test_labels_chosen_more_rarely_weigh_more() -> None:
    # Wrong responses are labelled four times as often as right ones; the weights undo it.
    rng = np.random.default_rng(5)
    full = noisy(5, 20_000)
    chosen_with = np.where(full.labels == 1, 0.1, 0.4)
    kept = rng.random(len(full)) < chosen_with
    sampled = LabelledScores(
        full.scores[kept], full.labels[kept], inclusion_probabilities=chosen_with[kept]
    )
    unweighted = LabelledScores(full.scores[kept], full.labels[kept])
    at = np.array([0.0])
    assert fit(sampled).probabilities(at)[0] == pytest.approx(0.5, abs=0.05)
    assert fit(unweighted).probabilities(at)[0] < 0.3


def test_fractional_labels() -> None:
    data = make(list(range(20)), [0.25] * 10 + [0.75] * 10)
    np.testing.assert_allclose(fit(data).probabilities(np.array([0.0, 19.0])), [0.25, 0.75])


def test_a_scorer_that_is_best_in_the_middle_is_fitted_in_two_stages() -> None:
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.normal(size=1500), rng.normal(size=500) + 3])
    labels = (rng.random(2000) < np.where(scores > 2.2, 0.3, truth(scores))).astype(float)
    hacked = LabelledScores(scores, labels)
    chosen = fit(hacked, "autocal")
    assert chosen.details == {"chosen": "two_stage"}
    assert any("the map falls as the score rises" in warning for warning in chosen.warnings)
    assert chosen.probabilities(np.array([1.5]))[0] > chosen.probabilities(np.array([3.0]))[0]
    assert chosen.metrics["brier"] < fit(hacked, "isotonic").metrics["brier"]


def test_autocal_keeps_to_monotone_maps_where_these_are_as_good() -> None:
    chosen = [fit(noisy(seed, 300), "autocal").details["chosen"] for seed in range(12)]
    assert chosen.count("two_stage") <= 3


def test_intervals_cover_the_truth() -> None:
    # 90 % intervals at five scores over 25 data sets: 125, of which 0.9 should cover.
    grid = np.array([-1.5, -0.7, 0.0, 0.7, 1.5])
    for method in ("isotonic", "platt"):
        covered = []
        for seed in range(25):
            fitted = fit_calibrator(noisy(seed, 300), method, rounds=40)
            for confidence, p in zip(fitted.confidences(grid), truth(grid), strict=True):
                covered.append(confidence.lower <= p <= confidence.upper)
        assert 0.82 <= np.mean(covered) <= 1.0, method


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
def test_what_cannot_be_calibrated_says_why(scores, labels, message: str) -> None:
    for method in METHODS:
        with pytest.raises(CalibrationFailed, match=message):
            fit(make(list(scores), list(labels)), method)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="method is 'spline'; allowed: isotonic, "):
        fit(noisy(), "spline")
    with pytest.raises(ValueError, match="must have a time zone"):
        fit_calibrator(noisy(), fitted_at=datetime(2026, 1, 1))
    few = make(range(20), [0, 1] * 10, cluster_ids=tuple("ab" * 10))
    with pytest.raises(CalibrationFailed, match="at least 6 are needed"):
        fit(few, "scaling_binning")


def test_doubts_become_warnings() -> None:
    chance = noisy(2, 60, slope=0.3)
    text = " | ".join(fit(chance).warnings)
    assert "not surely better than chance" in text
    assert "only 15 clusters" in text
    uneven = np.full(400, 1.0)
    uneven[:10] = 0.001
    unsure = LabelledScores(
        noisy().scores.round(0).clip(-1, 0),
        noisy().labels,
        inclusion_probabilities=uneven,
        sources=("judge",) * 7 + ("person",) * 393,
    )
    fitted = fit(unsure)
    text = " | ".join(fitted.warnings)
    assert "only 2 distinct scores" in text
    assert "400 labels are worth" in text
    assert "7 of 400 labels come from a judge" in text
    assert "no label names its cluster" in text
    assert fitted.sources == {"judge": 7, "person": 393}
    tied = make([*[0.0] * 190, *range(1, 11)], [0, 1] * 95 + [1] * 10)
    assert any("nearly constant: 190 of 200" in warning for warning in fit(tied).warnings)


def test_files_are_fitted_too(tmp_path) -> None:
    data = noisy()
    path = tmp_path / "labels.jsonl"
    with path.open("w") as file:
        for score, label, cluster in zip(data.scores, data.labels, data.cluster_ids, strict=True):
            line = {"score": score, "label": label, "cluster_id": cluster}
            file.write(json.dumps(line) + "\n")
    assert (
        fit_file(path).version == fit_calibrator(data).version == METHODS["isotonic"](path).version
    )


def _domain(name: str, count: int, shift: float, seed: int) -> list[LabelledScore]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=count)
    labels = rng.random(count) < truth(scores + shift)
    return [
        LabelledScore(float(s), float(y), f"{name}{k}", name)
        for k, (s, y) in enumerate(zip(scores, labels, strict=True))
    ]


def test_domains_borrow_when_labels_are_few() -> None:
    data = LabelledScores.of(
        _domain("algebra", 800, 0.0, 0)
        + _domain("geometry", 400, -0.5, 1)
        + _domain("proofs", 40, -2.0, 2)
    )
    own = fit(data, domain="algebra")
    assert (own.fallback, own.labels, own.domain_labels, own.domain) == ("", 800, 800, "algebra")
    shrunk = fit(data, domain="proofs")
    assert shrunk.fallback.startswith("shrunk: domain 'proofs' has 40 labels in 40 clusters")
    assert shrunk.shift < -1
    assert (shrunk.labels, shrunk.domain_labels) == (1240, 40)
    grid = np.linspace(-1, 3, 30)
    hit = np.abs(shrunk.probabilities(grid) - truth(grid - 2.0)).mean()
    assert hit < np.abs(fit(data).probabilities(grid) - truth(grid - 2.0)).mean() / 2
    pooled = fit(data, domain="biology")
    assert pooled.fallback.startswith("pooled: there is no label of domain 'biology'")
    np.testing.assert_array_equal(pooled.apply(grid), fit(data).apply(grid))
    again = FittedCalibrator.from_json(json.loads(json.dumps(shrunk.to_json())))
    np.testing.assert_array_equal(again.apply(grid), shrunk.apply(grid))


def test_a_domain_with_one_label_hardly_differs() -> None:
    rows = _domain("algebra", 800, 0.0, 0) + _domain("geometry", 400, 0.0, 1)
    rows.append(LabelledScore(2.0, 0.0, "x", "proofs"))
    assert abs(fit(LabelledScores.of(rows), domain="proofs").shift) < 0.2
