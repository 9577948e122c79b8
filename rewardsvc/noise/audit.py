"""Both error rates of a verifier from audited verdicts, each with the truth beside it.

Audited verdicts were chosen with known probabilities pi. A rate is the Hajek ratio of
Horvitz-Thompson totals, e.g. the false positive rate

    sum w_i accepted_i (1 - truth_i) / sum w_i (1 - truth_i),   w_i = 1 / pi_i,

its variance v the linearised one between clusters, and its interval the Jeffreys interval for
n* = r (1 - r) / v effective labels (Korn and Graubard 1998), with n* at most the number of
labels, and Kish's effective number where no error, or nothing but errors, was seen. Where
prompts have several samples name their clusters: they err together.

It does not cover that the audits' own truth may be wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.intervals import effective_size, jeffreys
from rewardsvc.noise.estimate import NoiseCell, NoiseEstimate
from rewardsvc.noise.rates import INTERVAL, RateEstimate
from rewardsvc.noise.shrinkage import shrink

__all__ = ["AuditFailed", "AuditedVerdict", "estimate_noise", "estimate_rate"]

Array = NDArray[np.float64]
_FEW_LABELS = 20


class AuditFailed(ValueError):
    """The audited verdicts do not support an estimate; says why."""


class AuditedVerdict(NamedTuple):
    """One verdict and the truth about its response."""

    accepted: bool
    truth: float
    """How right the response is, in [0, 1]."""
    inclusion_probability: float = 1.0
    """Known, in (0, 1]."""
    cluster_id: str = ""
    """Samples of one prompt share it; empty: a cluster of its own."""
    stage: str = ""
    answer_type: str = ""
    domain: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    accepted: Array
    truth: Array
    weights: Array
    clusters: NDArray[np.intp]

    def take(self, rows: NDArray[np.intp]) -> _Columns:
        return _Columns(
            self.accepted[rows], self.truth[rows], self.weights[rows], self.clusters[rows]
        )

    def rates(self, level: float) -> tuple[RateEstimate, RateEstimate]:
        wrong, right = self.weights * (1 - self.truth), self.weights * self.truth
        return (
            estimate_rate(self.accepted, wrong, self.clusters, level=level),
            estimate_rate(1 - self.accepted, right, self.clusters, level=level),
        )


def estimate_rate(
    events: Array, weights: Array, clusters: NDArray[np.intp], *, level: float = INTERVAL
) -> RateEstimate:
    """The weighted share of `events` in [0, 1], all arrays (samples,), weights >= 0.

    Without any weight the rate is unknown: 0.5 within [0, 1], from 0 labels.
    """
    seen = weights > 0
    events, weights, clusters = events[seen], weights[seen], clusters[seen]
    if not len(events):
        return RateEstimate(0.5, 0.0, 1.0, 0.0)
    total = float(weights.sum())
    rate = min(1.0, max(0.0, float(weights @ events) / total))
    by_cluster = np.bincount(clusters, weights=weights * (events - rate))
    by_cluster = by_cluster[np.unique(clusters)]
    count = len(by_cluster)
    size = effective_size(weights)
    if count > 1 and 0 < rate < 1:
        variance = float((by_cluster**2).sum()) * count / (count - 1) / total**2
        if variance > 0:
            size = min(float(len(events)), rate * (1 - rate) / variance)
    lower, upper = jeffreys(np.array([rate * size]), np.array([size]), level)
    return RateEstimate(rate, min(float(lower[0]), rate), max(float(upper[0]), rate), size)


def estimate_noise(
    audited: Iterable[AuditedVerdict],
    verifier: str,
    *,
    level: float = INTERVAL,
    fitted_at: datetime | None = None,
) -> NoiseEstimate:
    """The verifier's rates over everything, by stage, by stage and answer type, and by these
    and domain; narrow cells borrow from the wider ones around them (`shrinkage`).

    Raises:
        AuditFailed: no verdicts, or only right or only wrong responses among them.
        ValueError: a truth or inclusion probability out of range.
    """
    rows = list(audited)
    columns = _columns(rows)
    for name, weight in (("wrong", 1 - columns.truth), ("right", columns.truth)):
        if weight.sum() <= 0:
            raise AuditFailed(
                f"none of the {len(rows)} audited responses is {name}: the rate at which "
                f"{name} ones are misjudged is unknown"
            )
    everything = NoiseCell(*columns.rates(level))
    cells = [everything]
    for depth in (1, 2, 3):
        members: dict[tuple[str, str, str], list[int]] = {}
        for place, row in enumerate(rows):
            key = (row.stage, row.answer_type, row.domain)
            # A key with an empty part at this depth is a wider cell's already.
            if key[depth - 1]:
                stage, answer_type, domain = (*key[:depth], "", "", "")[:3]
                members.setdefault((stage, answer_type, domain), []).append(place)
        raw = {
            key: columns.take(np.array(places, dtype=np.intp)).rates(level)
            for key, places in sorted(members.items())
        }
        cells += shrink(raw, cells, level)
    weight = columns.weights
    doubts = [
        f"only {rate.labels:.0f} effective labels behind the {name} rate"
        for name, rate in (
            ("false positive", everything.false_positive_rate),
            ("false negative", everything.false_negative_rate),
        )
        if rate.labels < _FEW_LABELS
    ]
    doubts += [cell.reason for cell in cells if not cell.enabled]
    return NoiseEstimate(
        verifier=verifier,
        cells=tuple(cells),
        level=level,
        labels=len(rows),
        acceptance_rate=float(np.average(columns.accepted, weights=weight)),
        true_rate=float(np.average(columns.truth, weights=weight)),
        warnings=tuple(doubts),
        fitted_at="" if fitted_at is None else fitted_at.isoformat(),
    )


def _columns(rows: list[AuditedVerdict]) -> _Columns:
    if not rows:
        raise AuditFailed("there are no audited verdicts")
    truth = np.array([row.truth for row in rows], dtype=np.float64)
    chosen = np.array([row.inclusion_probability for row in rows], dtype=np.float64)
    if not ((truth >= 0) & (truth <= 1)).all():
        raise ValueError("truth must be in [0, 1]")
    if not ((chosen > 0) & (chosen <= 1)).all():
        raise ValueError("inclusion_probability must be in (0, 1]")
    ids = [row.cluster_id or f"\0{place}" for place, row in enumerate(rows)]
    number = {name: code for code, name in enumerate(dict.fromkeys(ids))}
    return _Columns(
        np.array([float(row.accepted) for row in rows]),
        truth,
        1 / chosen,
        np.array([number[name] for name in ids], dtype=np.intp),
    )
