"""Golden values of every kind of shaping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.shaping.calibrated_reward import CalibratedReward, calibrated_reward
from rewardsvc.shaping.conciseness import Conciseness, relative_conciseness
from rewardsvc.shaping.confidence_weighting import ConfidenceWeighting
from rewardsvc.shaping.constraints import Constraints
from rewardsvc.shaping.decoupled import DecoupledNormalisation, decoupled_advantages
from rewardsvc.shaping.exploration import (
    allocate,
    expected_information,
    mixed_probability,
    outcome_variance,
)
from rewardsvc.shaping.group_advantage import standardise
from rewardsvc.shaping.length_penalty import LengthPenalty, length_penalty
from rewardsvc.shaping.log_sigmoid import LogSigmoid, log_sigmoid
from rewardsvc.shaping.moving_mean import MovingMean
from rewardsvc.shaping.policy_filtration import choose_scheme, filtration_weights, r_squared
from rewardsvc.shaping.process_outcome import ProcessOutcome
from rewardsvc.shaping.proper_score import ProperScore, proper_score
from rewardsvc.shaping.repetition_penalty import RepetitionPenalty, repeated_share
from rewardsvc.shaping.trust import TrustWeightedProcess, trust
from rewardsvc.shaping.view import GroupView
from rewardsvc.shaping.virtual_maximum import advantages_with_virtual

NAN = math.nan


def array(*values):
    return np.array(values, float)


def view(*rewards, **known):
    return GroupView(array(*rewards), **known)


# ── log-sigmoid ──────────────────────────────────────────────────────────────────────────


def test_log_sigmoid_golden_values():
    assert log_sigmoid(array(0, -2)) == pytest.approx([-0.693147, -2.126928], abs=1e-6)
    assert log_sigmoid(array(-1000, 1000)).tolist() == [-1000, 0]


def test_log_sigmoid_measures_from_the_reference():
    assert LogSigmoid(reference=2).shape(view(2, 0)).rewards == pytest.approx(
        [-0.693147, -2.126928], abs=1e-6
    )
    shaped = LogSigmoid(group_quantile=0.5).shape(view(1, 2, 3, NAN))
    assert shaped.values["reference"][0] == 2
    assert np.isnan(shaped.rewards[3])


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_a_sum_of_log_sigmoids_is_the_logarithm_of_both_being_good(a, b):
    both = 1 / (1 + math.exp(-a)) * (1 / (1 + math.exp(-b)))
    assert log_sigmoid(array(a, b)).sum() == pytest.approx(math.log(both))


# ── confidence ───────────────────────────────────────────────────────────────────────────


def test_calibrated_reward_golden_values():
    args = array(0.9), 1.0, 0.5
    assert calibrated_reward(array(2), *args, "difference") == pytest.approx([2.2])
    assert calibrated_reward(array(2), *args, "threshold") == pytest.approx([2.4])
    assert calibrated_reward(array(0.5), *args, "threshold") == pytest.approx([0.4])


def test_a_missing_confidence_counts_as_even_or_abstains():
    group = view(2, stated_confidence=array(NAN))
    assert CalibratedReward().shape(group).rewards.tolist() == [2]
    shaped = CalibratedReward(missing=None).shape(group)
    assert shaped.reasons == {0: "the response states no confidence"}


def test_the_moving_mean_moves_once_a_batch_and_uses_earlier_batches_only():
    mean = MovingMean(start=1.0, rate=0.1)
    assert mean.observe("a", array(3, 5)) == 1.0
    assert mean.observe("a", array(4, NAN)) == 1.0
    assert mean.observe("b", array(100)) == pytest.approx(1 + 0.1 * (4 - 1))
    late = mean.observe("a", array(-1000))
    assert late == pytest.approx(1.3)
    assert mean.observe("c", array(0)) == pytest.approx(1.3 + 0.1 * (100 - 1.3))
    assert MovingMean(start=2).observe("", array(9)) == 2


def test_proper_score_golden_values():
    assert proper_score(array(1, 0), array(0.8, 0.8), "brier") == pytest.approx([0.96, -0.64])
    assert proper_score(array(1, 0), array(1, 0), "spherical") == pytest.approx([1, 0])


@pytest.mark.parametrize("stated", [NAN, -0.1, 1.1, math.inf])
def test_what_is_no_probability_is_refused(stated):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        proper_score(array(1), array(stated), "brier")


@pytest.mark.parametrize("rule", ["brier", "spherical"])
@given(p=st.floats(0, 1), q=st.floats(0, 1))
def test_honesty_is_the_best_statement(rule, p, q):
    def expected(stated):
        right, wrong = proper_score(array(1, 0), array(stated, stated), rule)
        return p * right + (1 - p) * wrong

    assert expected(p) >= expected(q) - 1e-12


@pytest.mark.parametrize("rule", ["brier", "spherical"])
def test_more_accuracy_is_worth_more(rule):
    p = np.linspace(0, 1, 101)
    right, wrong = proper_score(np.ones(101), p, rule), proper_score(np.zeros(101), p, rule)
    assert np.all(np.diff(p * right + (1 - p) * wrong) >= 0)


def test_without_a_verdict_there_is_no_proper_score():
    group = view(1, 1, 1, correct=array(NAN, 1, 1), stated_confidence=array(0.5, NAN, 0.5))
    shaped = ProperScore().shape(group)
    assert shaped.rewards[1:].tolist() == [0, 0.75]
    assert list(shaped.reasons) == [0]
    assert set(ProperScore(missing_reward=None).shape(group).reasons) == {0, 1}


def test_confidence_weighting_golden_values():
    group = view(1, 0, 1, confidence=array(0.9, 0.5, NAN))
    shaped = ConfidenceWeighting().shape(group)
    assert shaped.rewards[:2] == pytest.approx([0.9, 0.5])
    assert list(shaped.reasons) == [2]
    assert ConfidenceWeighting(form="expected").shape(group).rewards[:2].tolist() == [0.9, 0.5]
    assert ConfidenceWeighting(form="likelihood").shape(group).rewards[0] == math.log(0.9)
    nothing = view(0, confidence=array(0.0))
    assert ConfidenceWeighting(form="likelihood").shape(nothing).rewards[0] == math.log(1e-4)


# ── groups ───────────────────────────────────────────────────────────────────────────────


def test_gdpo_golden_values():
    rewards = {"a": array(1, 0, 0, 1), "b": array(0, 0, 0, 1)}
    assert decoupled_advantages(rewards, {}, whiten=True) == pytest.approx(
        [0.206077, -0.769054, -0.769054, 1.332031], abs=1e-6
    )


def test_gdpo_leaves_out_what_is_missing_and_what_is_equal():
    rewards = {"a": array(1, 0, NAN, NAN), "b": array(5, 5, 5, NAN)}
    shaped = decoupled_advantages(rewards, {}, whiten=False)
    assert shaped[:2] == pytest.approx(standardise(array(1, 0)))
    assert shaped[2] == 0
    assert np.isnan(shaped[3])
    weighted = DecoupledNormalisation(weights={"a": 2.0}, whiten=False).shape(
        view(1, 1, components={"a": array(1, 0), "b": array(0, 1)})
    )
    assert weighted.rewards == pytest.approx(standardise(array(1, 0)))


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8), st.floats(0.1, 10), st.floats(-9, 9))
def test_standardising_undoes_affine_maps_up_to_epsilon(rewards, scale, shift):
    rewards = np.array(rewards)
    if rewards.std(ddof=1) < 1e-2:
        return
    assert standardise(scale * rewards + shift, 0.0) == pytest.approx(
        standardise(rewards, 0.0), abs=1e-6
    )


def test_trust_counts_process_scores_as_far_as_they_tell_right_from_wrong():
    outcome = array(1, 1, 0, 0)
    assert trust(outcome, array(0.9, 0.8, 0.2, 0.1), 0.3) == 0.3
    assert trust(outcome, array(0.2, 0.2, 0.7, 0.7), 0.3) == pytest.approx(0.3 * math.exp(-0.5))
    assert trust(array(1, 1), array(0.5, 0.5), 0.3) == 0
    assert trust(array(0, 0), array(0.5, 0.5), 0.3) == 0
    assert trust(array(NAN, 1, 0), array(0.5, 0.2, 0.9), 0.3) == pytest.approx(0.3 * math.exp(-0.7))


def test_trust_decays_over_training_and_needs_the_step():
    group = view(
        1,
        1,
        components={"p": array(0.9, 0.1), "o": array(1, 0)},
        values={"training_step": array(100, NAN)},
    )
    shaped = TrustWeightedProcess(process="p", outcome="o", decay_steps=100).shape(group)
    assert shaped.rewards[0] == pytest.approx(1 + 0.3 * math.exp(-1) * 0.9)
    assert shaped.reasons == {1: "the value training_step is missing"}


def test_process_and_outcome_order_right_above_wrong():
    group = view(1, 1, 1, 1, components={"p": array(0.9, 0.2, 0.9, 1.5), "o": array(1, 1, 0, 1)})
    shaped = ProcessOutcome(process="p", outcome="o").shape(group)
    assert shaped.rewards[:3] == pytest.approx([0.9, 0.2, -0.1])
    assert "takes [0, 1]" in shaped.reasons[3]


def test_constraints_gate_the_reward():
    group = view(
        2,
        2,
        2,
        components={"safety": array(0.9, 0.1, NAN)},
        values={"log_ratio": array(5, 5, 5), "base": array(2, 2, 2)},
    )
    shaped = Constraints(at_least={"safety": 0.5}).shape(group)
    assert shaped.rewards[:2].tolist() == [2, 0]
    assert shaped.reasons == {2: "constraint safety has no score"}
    shaped = Constraints(at_least={"safety": 0.5}, baseline="base", divergence_limit=10).shape(
        group
    )
    assert shaped.rewards[0] == pytest.approx(0.5 * 0.5)


def test_a_failed_group_still_teaches():
    assert advantages_with_virtual(array(0, 0, 0, 0), 1.0) == pytest.approx([-0.5] * 4, abs=1e-3)
    assert advantages_with_virtual(array(1, 1), 1.0).tolist() == [0, 0]
    assert np.isnan(advantages_with_virtual(array(NAN, 0), 1.0)[0])


# ── length ───────────────────────────────────────────────────────────────────────────────


def test_conciseness_pays_right_responses_only():
    assert relative_conciseness(array(10, 20, 30), array(1, 1, 0) == 1, 0.1) == pytest.approx(
        [1, 0.1, 0.1]
    )
    group = view(1, 1, 0, correct=array(1, 1, 0), characters=array(10, 20, 5))
    shaped = Conciseness().shape(group)
    difficulty = 1 / 3
    assert shaped.rewards == pytest.approx(
        [1 + 0.2 * (1 + difficulty), 1 + 0.02 * (1 + difficulty), 0]
    )


def test_length_penalty_golden_values():
    assert length_penalty(array(5, 10, 15, 20, 99), 10, 20, 1.0).tolist() == [0, 0, 0.5, 1, 1]
    shaped = LengthPenalty(free=10, hard=20, unit="tokens").shape(
        view(1, 1, values={"tokens": array(15, NAN)})
    )
    assert shaped.rewards[0] == 0.5
    assert shaped.reasons == {1: "its length in tokens is not known"}
    with pytest.raises(ValueError, match="must be above free"):
        LengthPenalty(free=10, hard=10)


def test_repetition_is_measured_over_words():
    assert repeated_share("a b c d", 2) == 0
    assert repeated_share("a b a b a b", 2) == pytest.approx(1 - 2 / 5)
    assert repeated_share("哈" * 11, 2) == pytest.approx(0.9)
    assert repeated_share("", 4) == 0
    shaped = RepetitionPenalty(n=2, free=0.0).shape(view(1, 1, texts=("a b a b a b", None)))
    assert shaped.rewards[0] == pytest.approx(1 - 0.6)
    assert list(shaped.reasons) == [1]


# ── choosing what to train on ────────────────────────────────────────────────────────────


def test_filtration_weights_by_rank():
    rewards = array(1, 5, 3, NAN, 2, 4)
    assert filtration_weights(rewards, "best_of_n")[[0, 1]].tolist() == [0, 1]
    assert filtration_weights(rewards, "best_random")[[0, 1]].tolist() == [0.125, 0.5]
    assert filtration_weights(rewards, "best_worst")[[0, 1, 2]].tolist() == [0.5, 0.5, 0]
    assert np.isnan(filtration_weights(rewards, "none")[3])
    assert filtration_weights(array(7), "best_random").tolist() == [1]


@given(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, NAN]), max_size=8),
    st.sampled_from(["none", "best_of_n", "best_random", "best_worst"]),
)
def test_weights_sum_to_one_and_do_not_tell_ties_apart(rewards, scheme):
    weights = filtration_weights(np.array(rewards), scheme)
    if np.isfinite(rewards).any():
        assert np.nansum(weights) == pytest.approx(1)
    for value in (0.0, 0.5, 1.0):
        assert len({w for w, r in zip(weights.tolist(), rewards, strict=True) if r == value}) <= 1


def test_the_scheme_whose_rewards_explain_the_truth_best_is_chosen():
    generator = np.random.default_rng(0)
    true = [np.sort(generator.normal(size=8)) for _ in range(200)]
    # The extremes are told well, the middle not at all.
    rewards = [np.where(np.abs(t) > 1, t, generator.normal(scale=0.7, size=8)) for t in true]
    scheme, found = choose_scheme(rewards, true)
    assert scheme == max(found, key=found.get) == "best_worst"
    assert choose_scheme([array(1, 2)], [array(3, 3)]) is None
    assert r_squared(array(1, 2, 3), array(1, 2, 3)) == 1
    assert r_squared(array(1, 1), array(0, 0)) is None


def test_hints_prefer_prompts_that_are_neither_easy_nor_impossible():
    assert outcome_variance(4, 8) > outcome_variance(8, 8)
    assert mixed_probability(4, 8, 8) > mixed_probability(0, 8, 8) > 0
    assert mixed_probability(4, 8, 1) == 0
    assert mixed_probability(0, 0, 2) == pytest.approx(2 * 0.5 * 0.5 / 2)
    assert expected_information(0, 0) > expected_information(4, 8) > expected_information(40, 80)


def test_expected_information_agrees_with_integration():
    from scipy import integrate, stats

    posterior = stats.beta(3.5, 1.5)

    def entropy(p):
        return -p * np.log2(p) - (1 - p) * np.log2(1 - p)

    inner, _ = integrate.quad(lambda p: posterior.pdf(p) * entropy(p), 0, 1)
    assert expected_information(3, 4) == pytest.approx(entropy(0.7) - inner, abs=1e-6)


def test_the_budget_goes_where_groups_will_be_mixed():
    allotted = allocate([(4, 8), (0, 8), (8, 8), (0, 64)], 24)
    assert sum(allotted) <= 24
    assert abs(allotted[1] - allotted[2]) <= 1
    assert min(allotted[1:3]) > allotted[3]
    assert allocate([(0, 0)], 1) == [0]
