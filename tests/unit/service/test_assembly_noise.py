"""Error rates applied to verdicts: what is corrected, what abstains, and why."""

from __future__ import annotations

import pytest

from rewardsvc.assembly import VerifierNoise, given_rates
from rewardsvc.calibration.verifier_rates import RateInterval
from rewardsvc.noise import NoiseCell, NoiseEstimate, RateEstimate
from rewardsvc.types import Outcome, Score, Status, Verdict

KNOWN = given_rates("v", 0.1, 0.2)


def score(outcome, value=1.0, stage="exact"):
    return Score(Status.OK, value, verdict=Verdict(outcome, "", stage))


@pytest.mark.parametrize(
    ("mode", "accepted", "rejected"),
    [("report", 5.0, -5.0), ("backward", 1.285714, -0.142857), ("forward", 0.2, -0.8)],
)
def test_golden_values(mode, accepted, rejected):
    corrector = VerifierNoise(lambda: KNOWN, mode)
    yes, no, none = (
        corrector.correct(score(outcome, value), "")
        for outcome, value in (
            (Outcome.CORRECT, 5.0),
            (Outcome.INCORRECT, -5.0),
            (Outcome.NO_ANSWER, -5.0),
        )
    )
    assert yes.reward == pytest.approx(accepted, abs=1e-6)
    assert no.reward == none.reward == pytest.approx(rejected, abs=1e-6)
    assert yes.noise.corrected_reward == pytest.approx(1.285714, abs=1e-6)
    assert yes.noise.forward_weight == pytest.approx(0.2)
    assert yes.noise.version == KNOWN.version
    assert yes.confidence.probability == pytest.approx(0.8 / 0.9)
    assert corrector.changes_rewards is (mode != "report")
    assert corrector.current().false_negative_rate == 0.2


def test_without_an_estimate_only_reports_go_on():
    def find():
        return None

    assert VerifierNoise(find).correct(score(Outcome.CORRECT), "").reward == 1.0
    assert VerifierNoise(find).current() is None
    for mode in ("backward", "forward"):
        corrected = VerifierNoise(find, mode).correct(score(Outcome.CORRECT), "")
        assert corrected.status is Status.ABSTAINED
        assert "not known yet" in corrected.reason


def test_what_is_no_verdict_is_not_corrected():
    bare = Score(Status.OK, 0.7)
    assert VerifierNoise(lambda: KNOWN).correct(bare, "").reward == 0.7
    corrected = VerifierNoise(lambda: KNOWN, "backward").correct(bare, "")
    assert corrected.status is Status.ABSTAINED
    assert "no verdict" in corrected.reason


def test_a_verifier_that_may_be_no_better_than_chance_is_disabled_where_it_is():
    good = RateEstimate(0.1, 0.05, 0.15, 100.0)
    bad = RateEstimate(0.5, 0.3, 0.7, 10.0)
    estimate = NoiseEstimate("v", (NoiseCell(good, good), NoiseCell(bad, bad, "symbolic")))
    for mode in ("report", "backward", "forward"):
        corrector = VerifierNoise(lambda: estimate, mode)
        assert corrector.correct(score(Outcome.CORRECT), "").status is Status.OK
        corrected = corrector.correct(score(Outcome.CORRECT, stage="symbolic"), "")
        assert corrected.status is Status.ABSTAINED
        assert "disabled for stage symbolic" in corrected.reason


def test_a_judge_that_accepts_canaries_now_counts_as_it_is_now():
    good = RateEstimate(0.1, 0.05, 0.15, 100.0)
    estimate = NoiseEstimate("v", (NoiseCell(good, good),))
    probed = [None]
    corrector = VerifierNoise(lambda: estimate, "backward", probed=lambda: probed[0])
    before = corrector.correct(score(Outcome.CORRECT), "")
    probed[0] = RateInterval(0.12, 0.08, 0.2)
    assert corrector.correct(score(Outcome.CORRECT), "") == before
    probed[0] = RateInterval(0.4, 0.3, 0.5)
    weaker = corrector.correct(score(Outcome.CORRECT), "")
    assert weaker.noise.false_positive_rate == 0.4
    assert weaker.noise.version == f"{estimate.version}+canaries-0.400"
    assert weaker.confidence.probability < before.confidence.probability
    assert corrector.current().false_positive_rate == 0.4
    probed[0] = RateInterval(0.95, 0.8, 0.99)
    disabled = corrector.correct(score(Outcome.CORRECT), "")
    assert disabled.status is Status.ABSTAINED
    assert "disabled" in disabled.reason
