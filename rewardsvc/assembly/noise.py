"""What a verifier's estimated error rates make of its verdicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from rewardsvc.assembly.recipe import Corrected
from rewardsvc.calibration.verifier_rates import RateInterval, confidence_of_verdict
from rewardsvc.noise import Channel, NoiseCell, NoiseEstimate, RateEstimate
from rewardsvc.types import Confidence, Noise, Outcome, Score, Status

__all__ = ["Mode", "VerifierNoise", "given_rates"]

Mode = Literal["report", "backward", "forward"]
_JUDGED = (Outcome.CORRECT, Outcome.INCORRECT, Outcome.NO_ANSWER)


def given_rates(
    verifier: str, false_positive_rate: float, false_negative_rate: float
) -> NoiseEstimate:
    """An estimate of rates that are taken as known.

    Raises:
        ValueError: a rate that is not in [0, 1].
    """
    wrongly_accepted, wrongly_rejected = (
        RateEstimate(rate, rate, rate, 0.0) for rate in (false_positive_rate, false_negative_rate)
    )
    cell = NoiseCell(wrongly_accepted, wrongly_rejected)
    return NoiseEstimate(verifier, (cell,), method="given")


def _unprobed() -> RateInterval | None:
    return None


@dataclass(frozen=True, slots=True)
class VerifierNoise:
    """Corrects verdicts by the estimate in force, which `estimate` returns at any time.

    An accepted response counts 1 and a rejected one, or one without an answer, 0, whatever the
    scorer's own values. In mode `report` the score stays the reward and the corrections stand
    beside it; otherwise the unbiased reward (`backward`) or the forward weight takes its place.

    `probed` is the rate at which a judge accepts canaries, known to be wrong. Where even the
    lower end of its interval is above the estimate, the judge errs more, now, than it did when
    it was audited: the probed rate takes the estimate's place until it falls.
    """

    estimate: Callable[[], NoiseEstimate | None]
    mode: Mode = "report"
    prior: float = 0.5
    probed: Callable[[], RateInterval | None] = _unprobed

    @property
    def changes_rewards(self) -> bool:
        """Whether the corrected reward takes the place of the score."""
        return self.mode != "report"

    def current(self) -> Noise | None:
        """The rates over everything; None while there are none."""
        estimate = self.estimate()
        if estimate is None:
            return None
        cell, version = self._cell(estimate, ("", "", ""))
        return Noise(cell.false_positive_rate.rate, cell.false_negative_rate.rate, version=version)

    def correct(self, score: Score, domain: str) -> Corrected:
        """Corrects one verdict.

        Without an estimate, `report` leaves the score alone and the other modes abstain: a
        reward must not change its meaning on the day when the first estimate arrives. A
        verifier that is not surely better than chance abstains in every mode.
        """
        verdict, estimate = score.verdict, self.estimate()
        if verdict is None or verdict.outcome not in _JUDGED:
            return self._uncorrected(score, "there is no verdict whose noise could be corrected")
        if estimate is None:
            return self._uncorrected(
                score, "the verifier's error rates are not known yet; record labels or audit it"
            )
        accepted = verdict.outcome is Outcome.CORRECT
        cell, version = self._cell(estimate, (verdict.stage, verdict.answer_type, domain))
        rates = cell.false_positive_rate.rate, cell.false_negative_rate.rate
        if not cell.enabled:
            return Corrected(Status.ABSTAINED, None, cell.reason, Noise(*rates, version=version))
        channel, verdicts = Channel(*rates), np.array(float(accepted))
        backward, forward = (
            float(correction(verdicts)) for correction in (channel.backward, channel.forward)
        )
        reward = {"report": score.value, "backward": backward, "forward": forward}[self.mode]
        return Corrected(
            score.status,
            reward,
            score.reason,
            Noise(*rates, backward, forward, version),
            self._confidence(accepted, cell),
        )

    def _cell(self, estimate: NoiseEstimate, kind: tuple[str, str, str]) -> tuple[NoiseCell, str]:
        """The rates of a kind of sample, and the version of what they come from."""
        cell, probed = estimate.cell(*kind), self.probed()
        if probed is None or probed.lower <= cell.false_positive_rate.rate:
            return cell, estimate.version
        rate = RateEstimate(*probed, cell.false_positive_rate.labels)
        return (
            replace(cell, false_positive_rate=rate),
            f"{estimate.version}+canaries-{probed.estimate:.3f}",
        )

    def _uncorrected(self, score: Score, reason: str) -> Corrected:
        if self.changes_rewards:
            return Corrected(Status.ABSTAINED, None, reason)
        return Corrected(score.status, score.value, score.reason)

    def _confidence(self, accepted: bool, cell: NoiseCell) -> Confidence:
        return confidence_of_verdict(
            accepted,
            RateInterval(*cell.false_positive_rate[:3]),
            RateInterval(*cell.false_negative_rate[:3]),
            self.prior,
        )
