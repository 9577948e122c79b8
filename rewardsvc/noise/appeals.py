"""Error rates from appeals: a judge re-checks a sampled share of a verifier's verdicts.

The appeals of arXiv 2510.00915 estimate the false negative rate from how many sampled
rejections a judge overturns, count / q. The judge errs too: with its false positive rate f and
miss rate m, counts / q = (1 - m) N_FN + f (N_neg - N_FN) in expectation, so that (derived)

    N_FN = max(0, (count / q - f N_neg) / (1 - m - f)),

and likewise for sampled acceptances that the judge upholds, which estimate how many of them
are wrong. The judge's verdict never becomes the reward; f and m must be known from gold labels,
and where 1 - m - f <= 0 its word is worth nothing and is refused. Sampling probabilities may
differ between samples: count / q is the Horvitz-Thompson total.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rewardsvc.noise.rates import INTERVAL, RateEstimate

__all__ = [
    "Appeal",
    "AppealRefused",
    "AppealedRates",
    "Judge",
    "false_negative_rate_of_appeals",
    "false_negatives_of_appeals",
    "rates_from_appeals",
]


class AppealRefused(ValueError):
    """The appeals do not support an estimate: keep the rates there are; says why."""


class Judge(NamedTuple):
    """How often the judge errs: measured on gold labels, for the samples it is asked about."""

    false_positive_rate: float
    """f: share of wrong responses that it calls right."""
    miss_rate: float
    """m: share of right responses that it calls wrong."""

    @property
    def youden(self) -> float:
        """1 - m - f.

        Raises:
            AppealRefused: it is not positive, or a rate is not in [0, 1].
        """
        for name, value in self._asdict().items():
            if not 0 <= value <= 1:
                raise AppealRefused(f"the judge's {name} is {value}; must be in [0, 1]")
        index = 1 - self.false_positive_rate - self.miss_rate
        if not index > 0:
            raise AppealRefused(
                f"the judge is no better than chance: 1 - miss rate {self.miss_rate:g} - false "
                f"positive rate {self.false_positive_rate:g} is {index:g}"
            )
        return index


class Appeal(NamedTuple):
    """One re-checked verdict."""

    accepted: bool
    """What the verifier said."""
    judged_right: bool
    """What the judge said."""
    inclusion_probability: float
    """With which the verdict was sampled for the re-check; known, in (0, 1]."""


class AppealedRates(NamedTuple):
    """Both rates of the verifier from one batch, and the share of right responses."""

    false_positive_rate: RateEstimate
    false_negative_rate: RateEstimate
    true_rate: float


def false_negatives_of_appeals(
    overturned: float, sampled_share: float, rejected: float, judge: Judge
) -> float:
    """N_FN: how many of `rejected` responses are right, >= 0.

    `overturned` of the re-checked ones the judge called right; each was re-checked with
    probability `sampled_share`.

    Raises:
        AppealRefused: a judge that is no better than chance.
        ValueError: a share outside (0, 1].
    """
    if not 0 < sampled_share <= 1:
        raise ValueError(f"sampled_share is {sampled_share}; must be in (0, 1]")
    youden = judge.youden
    return max(0.0, (overturned / sampled_share - judge.false_positive_rate * rejected) / youden)


def false_negative_rate_of_appeals(
    false_negatives: float, accepted: float, samples: float, false_positive_rate: float
) -> float:
    """rho1 of a verifier with known rho0, from N_FN of appeals; in [0, 1].

    With a = N_FN / N and p the accepted share, the share of right responses is
    (p + a - rho0) / (1 - rho0), and rho1 = a over it (derived).

    Raises:
        AppealRefused: nothing was accepted, or the share of right responses is not positive.
    """
    if accepted <= 0:
        raise AppealRefused(
            "the batch has no accepted response: a false negative rate from it means nothing"
        )
    share = false_negatives / samples
    right = (accepted / samples + share - false_positive_rate) / (1 - false_positive_rate)
    if not right > 0:
        raise AppealRefused(
            f"{accepted:g} of {samples:g} accepted is no more than false positives at rate "
            f"{false_positive_rate:g} give: there is no right response to be rejected"
        )
    return min(1.0, share / right)


def rates_from_appeals(
    accepted: int,
    rejected: int,
    appeals: Sequence[Appeal],
    judge: Judge,
    *,
    level: float = INTERVAL,
    rounds: int = 400,
    seed: int = 0,
) -> AppealedRates:
    """Both rates from one batch of `accepted` + `rejected` verdicts, some of either appealed.

    Intervals by a bootstrap of the appeals within verdicts; they do not cover that the judge's
    own rates are estimates. Where the judge overturns none or all, the end is widened to the
    rule of three's.

    Raises:
        AppealRefused: no accepted responses, no appeals of accepted or of rejected ones, a judge
            no better than chance, or no wrong response at all.
    """
    youden = judge.youden
    if accepted <= 0:
        raise AppealRefused(
            "the batch has no accepted response: a false negative rate from it means nothing"
        )
    sides = []
    for side, size in ((True, accepted), (False, rejected)):
        mine = [appeal for appeal in appeals if appeal.accepted is side]
        chosen = np.array([appeal.inclusion_probability for appeal in mine])
        if not mine:
            word = "accepted" if side else "rejected"
            raise AppealRefused(f"no {word} response was re-checked")
        if not ((chosen > 0) & (chosen <= 1)).all():
            raise ValueError("inclusion_probability must be in (0, 1]")
        sides.append((np.array([float(appeal.judged_right) for appeal in mine]), 1 / chosen, size))
    draws = np.random.default_rng(seed)

    def right_among(side: int, rows: np.typing.NDArray[np.intp] | None) -> float:
        judged, weights, size = sides[side]
        if rows is not None:
            judged, weights = judged[rows], weights[rows]
        # Hajek's ratio: the size of the side is known.
        share = float(weights @ judged / weights.sum())
        return size * min(1.0, max(0.0, (share - judge.false_positive_rate) / youden))

    def both(resample: bool) -> tuple[float, float, float]:
        kept, lost = (
            right_among(
                side,
                draws.integers(len(sides[side][0]), size=len(sides[side][0])) if resample else None,
            )
            for side in (0, 1)
        )
        right = kept + lost
        wrong = accepted + rejected - right
        false_positive = (accepted - kept) / wrong if wrong > 0 else np.nan
        return false_positive, lost / right if right > 0 else np.nan, right

    false_positive, false_negative, right = both(False)
    if np.isnan(false_positive) or np.isnan(false_negative):
        kind = "wrong" if np.isnan(false_positive) else "right"
        raise AppealRefused(f"the appeals leave no {kind} response: its rate is unknown")
    rates = np.array([both(True)[:2] for _ in range(rounds)])
    tail = (1 - level) / 2
    made = []
    total = accepted + rejected
    for column, rate, base in ((0, false_positive, total - right), (1, false_negative, right)):
        values = rates[:, column][~np.isnan(rates[:, column])]
        lower, upper = np.quantile(values, [tail, 1 - tail]).tolist()
        size = (accepted, rejected)[column]
        # With n re-checks, up to 3 / n of the side may differ without one having shown it.
        slack = size / base * min(1.0, -np.log(tail) / len(sides[column][0]) / youden)
        if rate <= 0:
            upper = max(upper, slack)
        labels = len(sides[column][0]) * min(1.0, base / size) if size else 0.0
        made.append(RateEstimate(rate, min(lower, rate), min(1.0, max(upper, rate)), labels))
    return AppealedRates(made[0], made[1], right / total)
