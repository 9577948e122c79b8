"""What is watched against reward hacking, by golden values and by a policy that drifts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.monitoring import MonitoringSettings, RewardWatcher, starc_distance
from rewardsvc.monitoring.statistics import drift, rank_correlation, ratio_of_means
from rewardsvc.monitoring.window import Baseline, Window
from rewardsvc.types import Confidence, Group, Response, Result, Status, TokenIds

numbers = st.lists(st.floats(-100, 100), min_size=1, max_size=30)


def array(*values):
    return np.array(values, float)


# ── figures ──────────────────────────────────────────────────────────────────────────────


# The p-value that comes with the oracle's statistic is not defined for tiny samples.
@pytest.mark.filterwarnings("ignore")
@given(numbers, numbers)
def test_drift_is_the_kolmogorov_smirnov_statistic(first, second):
    from scipy.stats import ks_2samp

    expected = ks_2samp(first, second, method="exact").statistic
    assert drift(array(*first), array(*second)) == pytest.approx(expected)


def test_rank_correlation_golden_values():
    found = rank_correlation(array(1, 2, 3, 4, 5), array(2, 1, 4, 3, 5))
    assert found.estimate == pytest.approx(0.8)
    half = 1.6448536 * math.sqrt(1.06 / 2)
    assert found.upper == pytest.approx(math.tanh(math.atanh(0.8) + half), abs=1e-6)
    assert rank_correlation(array(1, 2, 3, 4), array(1, 1, 1, 1)) is None
    assert rank_correlation(array(1, 2, 3), array(1, 2, 3)) is None


def test_ratio_of_means():
    assert ratio_of_means(array(1, 3), array(3, 5)) == 2
    assert ratio_of_means(array(0, 0), array(3)) is None


def test_a_window_keeps_the_latest_and_a_baseline_the_first():
    window = Window(3)
    window.extend([1, 2])
    window.extend([3, 4])
    assert sorted(window.values) == [2, 3, 4]
    window.extend(list(range(10)))
    assert sorted(window.values) == [7, 8, 9]
    assert window.seen == 14
    baseline = Baseline(3)
    assert baseline.extend([1, 2]) == []
    assert baseline.values is None
    assert baseline.extend([3, 4]) == [4]
    assert baseline.values.tolist() == [1, 2, 3]
    assert baseline.extend([5]) == [5]


# ── comparing rewards ────────────────────────────────────────────────────────────────────

PROMPTS = ["a", "a", "b", "b"]


def test_starc_golden_values():
    rewards = array(1, 0, 5, 3)
    same = starc_distance(rewards, 2 * rewards + array(7, 7, -1, -1), PROMPTS)
    assert same == (pytest.approx(0, abs=1e-12), False, 4)
    assert starc_distance(rewards, -rewards, PROMPTS).distance == pytest.approx(2)
    assert starc_distance(array(1, 0, 0, 0), array(0, 0, 1, 0), PROMPTS).distance == pytest.approx(
        math.sqrt(2)
    )
    assert starc_distance(rewards, array(4, 4, 9, 9), PROMPTS) == (1, True, 4)
    assert starc_distance(array(1, 1, 2, 2), array(4, 4, 9, 9), PROMPTS) == (0, True, 4)
    assert starc_distance(array(1, math.nan, 5, 3), rewards, PROMPTS).responses == 2
    assert starc_distance(array(math.nan), array(1), ["a"]).trivial
    with pytest.raises(ValueError, match="must be as many"):
        starc_distance(rewards, rewards, ["a"])


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.sampled_from("abc")), max_size=20),
    st.floats(0.1, 10),
)
def test_starc_is_a_distance_that_knows_no_scale(rows, scale):
    before, after = (np.array([row[k] for row in rows], float) for k in (0, 1))
    prompts = [row[2] for row in rows]
    here = starc_distance(before, after, prompts)
    there = starc_distance(after * scale, before, prompts)
    assert 0 <= here.distance <= 2 + 1e-9
    if not here.trivial and not there.trivial:
        assert here.distance == pytest.approx(there.distance, abs=1e-6)


# ── watching ─────────────────────────────────────────────────────────────────────────────

SETTINGS = MonitoringSettings(window=200, baseline=100)


def serve(watcher, count, reward=0.0, length=100, disagreement=0.1, seed=0):
    generator = np.random.default_rng(seed)
    for _ in range(count // 10):
        rewards = reward + generator.normal(size=10)
        responses = tuple(
            Response(str(k), "x" * int(length + generator.integers(20))) for k in range(10)
        )
        results = [
            Result(
                str(k),
                Status.OK,
                reward=float(value),
                confidence=Confidence(0.5, 0.4, 0.6, "x"),
                disagreement=disagreement + 0.01 * float(generator.random()),
            )
            for k, value in enumerate(rewards)
        ]
        watcher.observe([Group("g", "p", responses)], [results])


def alarms(watcher):
    return {monitor.name for monitor in watcher.monitors() if monitor.alarm}


def test_the_same_traffic_raises_no_alarm():
    watcher = RewardWatcher(SETTINGS)
    serve(watcher, 400)
    assert alarms(watcher) == set()
    assert {m.name for m in watcher.monitors()} == {
        "reward_drift",
        "length_drift",
        "confidence_drift",
        "disagreement_growth",
    }


def test_a_policy_that_drifts_does():
    watcher = RewardWatcher(SETTINGS)
    serve(watcher, 200)
    serve(watcher, 200, reward=1.0, length=200, disagreement=0.2, seed=1)
    assert alarms(watcher) == {"reward_drift", "length_drift", "disagreement_growth"}


def test_scores_are_compared_with_the_calibration_set_where_there_is_one():
    reference = np.random.default_rng(5).normal(3.0, 1.0, 500)
    watcher = RewardWatcher(SETTINGS, lambda: {"reward_drift": reference})
    serve(watcher, 200)
    (found,) = [m for m in watcher.monitors() if m.name == "reward_drift"]
    assert found.alarm
    assert found.note == "against the calibration set"


def test_too_little_data_says_nothing():
    watcher = RewardWatcher(SETTINGS)
    assert watcher.monitors() == []
    serve(watcher, 150)
    assert {monitor.value for monitor in watcher.monitors()} == {None}


def test_audits_that_contradict_the_score_raise_an_alarm():
    watcher = RewardWatcher(SETTINGS)
    for k in range(100):
        watcher.observe_audit(k / 100, float(k % 2))
    assert alarms(watcher) == {"audit_correlation"}
    agreeing = RewardWatcher(SETTINGS)
    for k in range(100):
        agreeing.observe_audit(k / 100, float(k > 50))
    assert alarms(agreeing) == set()


def test_samples_without_numbers_are_passed_over():
    watcher = RewardWatcher(SETTINGS)
    group = Group("g", "p", (Response("s", TokenIds(b"\0\0\0\0", "h")),))
    watcher.observe([group], [[Result("s", Status.TIMEOUT)]])
    assert watcher.monitors() == []
