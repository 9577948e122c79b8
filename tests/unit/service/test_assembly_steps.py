"""Calibrating by domain, correcting, shaping and selecting, on the way to a result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rewardsvc.assembly import Circumstances, Corrected, Part, Recipe, assemble
from rewardsvc.calibration.combined import CONFIDENCE_RULES
from rewardsvc.shaping import SHAPERS
from rewardsvc.types import (
    Confidence,
    Evidence,
    Group,
    GroupScores,
    Noise,
    Outcome,
    Response,
    Score,
    Status,
    Step,
    Verdict,
)


@dataclass(frozen=True)
class Scaled:
    """Calibrates by multiplying."""

    factor: float
    method = "scaled"

    @property
    def version(self):
        return f"scaled-{self.factor:g}"

    def apply(self, scores):
        return scores * self.factor

    def confidences(self, scores):
        return [Confidence(s * self.factor, 0.0, 1.0, "scaled") for s in scores]


class Banded(Scaled):
    """Calibrates to the score itself, within a tenth."""

    method = "banded"

    def __init__(self):
        super().__init__(1.0)

    def confidences(self, scores):
        return [Confidence(s, s - 0.1, s + 0.1, "banded") for s in scores]


class ByDomain:
    def __init__(self, **calibrators):
        self.calibrators = calibrators

    def in_force(self, domain):
        return self.calibrators.get(domain or "default")


class Halved:
    """Corrects 1 to 0.5; knows nothing of the domain `unknown`."""

    changes_rewards = True

    def correct(self, score, domain):
        if domain == "unknown":
            return Corrected(Status.ABSTAINED, None, "nothing is known of its errors")
        noise = Noise(0.1, 0.2, score.value / 2, version=f"noise-{domain or 'all'}")
        return Corrected(
            Status.OK, score.value / 2, "", noise, Confidence(0.7, 0.6, 0.8, "verifier_rates")
        )

    def current(self):
        return None


def group(*responses, domain="", size=0):
    return Group(
        "g",
        "p",
        tuple(
            Response(str(k), r) if isinstance(r, str) else replace(r, sample_id=str(k))
            for k, r in enumerate(responses)
        ),
        domain=domain,
        size=size,
    )


def scored(*values):
    return GroupScores(tuple(v if isinstance(v, Score) else Score(Status.OK, v) for v in values))


def verdict(outcome, value):
    return Score(Status.OK, value, verdict=Verdict(outcome, "", "exact"))


RIGHT, WRONG = verdict(Outcome.CORRECT, 1.0), verdict(Outcome.INCORRECT, 0.0)


def make(kind, **settings):
    return SHAPERS[kind].model_validate({"kind": kind, **settings})


def assembled(recipe, groups, *parts, **circumstances):
    versions = {}
    results = assemble(recipe, groups, parts, versions, Circumstances(**circumstances))
    return results, versions


# ── calibrating ──────────────────────────────────────────────────────────────────────────


def test_every_domain_has_its_own_calibrator():
    source = ByDomain(default=Scaled(0.5), algebra=Scaled(0.25))
    recipe = Recipe((Part("a", calibrators=source),), "weighted_sum")
    groups = [group("x"), group("y", domain="algebra")]
    results, versions = assembled(recipe, groups, [scored(1.0), scored(1.0)])
    assert [r.reward for g in results for r in g] == [0.5, 0.25]
    assert versions == {"calibrator/a": "scaled-0.5", "calibrator/a@algebra": "scaled-0.25"}
    assert results[0][0].versions is versions


def test_without_a_calibrator_a_sample_abstains_and_shows_its_score():
    recipe = Recipe((Part("a", calibrators=ByDomain()),), "weighted_sum")
    [[result]], _ = assembled(recipe, [group("x")], [scored(0.8)])
    assert (result.status, result.reward, result.score) == (Status.ABSTAINED, None, 0.8)
    assert "fit one" in result.reason


def test_an_ensembles_disagreement_widens_its_interval():
    recipe = Recipe((Part("a", calibrators=ByDomain(default=Banded())),), "weighted_sum")
    agreed = Score(Status.OK, 0.5, disagreement=0.0)
    apart = Score(Status.OK, 0.5, disagreement=0.2)
    [[first, second]], _ = assembled(recipe, [group("x", "y")], [scored(agreed, apart)])
    assert first.confidence == Confidence(0.5, 0.4, 0.6, "banded")
    assert second.confidence.probability == 0.5
    assert second.confidence.lower == pytest.approx(0.2)
    assert second.confidence.upper == pytest.approx(0.8)
    assert second.confidence.method == "banded+disagreement"


# ── correcting ───────────────────────────────────────────────────────────────────────────


def test_a_corrected_reward_takes_the_place_of_the_score_and_is_told():
    recipe = Recipe((Part("v", noise=Halved()),), "weighted_sum")
    [[right, wrong]], versions = assembled(recipe, [group("x", "y")], [scored(RIGHT, WRONG)])
    assert (right.reward, right.score, wrong.reward) == (0.5, 1.0, 0.0)
    assert right.noise.corrected_reward == 0.5
    assert right.confidence.probability == 0.7
    assert right.do_not_group_normalise
    assert versions == {"noise/v": "noise-all"}


def test_what_cannot_be_corrected_abstains():
    recipe = Recipe((Part("v", noise=Halved()), Part("b")), "weighted_sum")
    [[result]], _ = assembled(
        recipe, [group("x", domain="unknown")], [scored(RIGHT)], [scored(1.0)]
    )
    assert result.status is Status.ABSTAINED
    assert result.reason == "v: nothing is known of its errors"


# ── shaping ──────────────────────────────────────────────────────────────────────────────


def test_a_part_is_shaped_before_and_the_reward_after_combining():
    parts = (Part("a", shaping=(make("log_sigmoid"),)), Part("b"))
    recipe = Recipe(
        parts, "weighted_sum", shaping=(make("length_penalty", free=1, hard=3, slope=2.0),)
    )
    [[result]], _ = assembled(recipe, [group("xx")], [scored(0.0)], [scored(1.0)])
    first, second = result.components
    assert first.reward == pytest.approx(-0.693147, abs=1e-6)
    assert [term.name for term in first.shaping] == ["log_sigmoid"]
    assert second.shaping == ()
    assert result.reward == pytest.approx(1 - 0.693147 - 1, abs=1e-6)
    assert result.shaping[0].values == {"length": 2.0, "penalty": 1.0}


def test_group_wise_shaping_sees_whole_groups_and_leaves_out_what_failed():
    recipe = Recipe((Part("v"),), "weighted_sum", shaping=(make("decoupled_normalisation"),))
    timeout = Score.unscored(Status.TIMEOUT, "late")
    [results], _ = assembled(recipe, [group("x", "y", "z")], [scored(RIGHT, WRONG, timeout)])
    assert results[0].reward == -results[1].reward > 0
    assert results[2].status is Status.TIMEOUT
    assert results[2].reward is None
    assert all(result.do_not_group_normalise for result in results)


def test_an_incomplete_group_is_not_shaped():
    recipe = Recipe((Part("v"),), "weighted_sum", shaping=(make("virtual_maximum"),))
    [results], _ = assembled(recipe, [group("x", "y", size=8)], [scored(RIGHT, WRONG)])
    assert {r.status for r in results} == {Status.ABSTAINED}
    assert "6 responses are missing" in results[0].reason


def test_stated_confidences_reach_the_proper_score():
    recipe = Recipe((Part("v"),), "weighted_sum", shaping=(make("proper_score"),))
    [results], _ = assembled(
        recipe, [group("x", "y")], [scored(RIGHT, WRONG)], stated_confidences=[[0.8, 0.8]]
    )
    assert [r.reward for r in results] == pytest.approx([0.96, -0.64])


def test_step_rewards_that_shaping_makes_are_shown():
    steps = tuple(Step(k, k + 1, value) for k, value in enumerate((0.5, 0.2, 0.9)))
    recipe = Recipe((Part("process"),), "weighted_sum", shaping=(make("clip_delta", clip=False),))
    [[result]], _ = assembled(recipe, [group("abc")], [scored(Score(Status.OK, 1.0, steps=steps))])
    assert [step.reward for step in result.steps] == pytest.approx([0.3, 0.2, 0.0])
    assert result.reward == pytest.approx(1.5)


def test_the_callers_numbers_reach_shaping():
    response = Response("", "x", values={"tokens": 15.0})
    recipe = Recipe(
        (Part("a"),),
        "weighted_sum",
        shaping=(make("length_penalty", free=10, hard=20, unit="tokens"),),
    )
    [[result]], _ = assembled(recipe, [group(response)], [scored(1.0)])
    assert result.reward == 0.5


# ── selecting and combining confidence ───────────────────────────────────────────────────


def test_below_its_confidence_a_sample_abstains():
    recipe = Recipe((Part("a"),), "weighted_sum", abstain_below=0.6)
    sure, unsure = (
        Score(Status.OK, 1.0, confidence=Confidence(p, p, p, "x")) for p in (0.61, 0.59)
    )
    [results], _ = assembled(recipe, [group("x", "y", "z")], [scored(sure, unsure, 1.0)])
    assert [r.status for r in results] == [Status.OK, Status.ABSTAINED, Status.ABSTAINED]
    assert results[1].reason == "confidence 0.59 is below 0.6"


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("all_right", 0.72),
        ("any_right", 0.98),
        ("independent_evidence", 36 / 37),
        ("shared_evidence", 6 / 7),
    ],
)
def test_confidences_combine_by_a_named_rule(rule, expected):
    parts = (Part("a"), Part("b"))
    recipe = Recipe(parts, "weighted_sum", confidence_rule=rule)
    score = [
        [scored(Score(Status.OK, 1.0, confidence=Confidence(p, p / 2, 1.0, "x")))]
        for p in (0.9, 0.8)
    ]
    [[result]], _ = assembled(recipe, [group("x")], *score)
    assert result.confidence.probability == pytest.approx(expected)
    assert result.confidence.method == rule
    assert result.confidence.lower < result.confidence.probability <= result.confidence.upper
    score[1] = [scored(1.0)]
    [[result]], _ = assembled(recipe, [group("x")], *score)
    assert result.confidence is None


@pytest.mark.parametrize("rule", sorted(CONFIDENCE_RULES))
def test_one_confidence_stays_what_it_is(rule):
    alone = CONFIDENCE_RULES[rule]([Confidence(0.3, 0.2, 0.4, "x")])
    assert (alone.probability, alone.lower, alone.upper) == pytest.approx((0.3, 0.2, 0.4))


# ── attributes ───────────────────────────────────────────────────────────────────────────


def test_attributes_are_weighted_as_the_request_says():
    evidence = Evidence({"helpfulness": 2.0, "verbosity": 1.0})
    recipe = Recipe((Part("a"),), "weighted_sum")
    [[result]], _ = assembled(
        recipe,
        [group("x")],
        [scored(Score(Status.OK, 2.0, evidence=evidence))],
        attribute_weights={"helpfulness": 1.0, "verbosity": -0.5},
    )
    assert (result.reward, result.score) == (1.5, 1.5)
    assert result.evidence is evidence


def test_attributes_of_other_names_are_left_alone():
    score = Score(Status.OK, 2.0, evidence=Evidence({"distance_to_success": 1.0}))
    recipe = Recipe((Part("a"),), "weighted_sum")
    [[result]], _ = assembled(
        recipe, [group("x")], [scored(score)], attribute_weights={"helpfulness": 1.0}
    )
    assert (result.status, result.reward) == (Status.OK, 2.0)
