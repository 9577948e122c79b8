"""From gold labels and judged audits to a verifier's error rates. Pure functions.

Gold labels (of persons and oracles) that say what the verifier concluded give both rates
directly. An audit's truth is a judge's word. Where the judge's own error rates are known,
because samples carry both a judge's and a gold label, the audits are corrected for them
(`rewardsvc.noise.appeals`); where they are not, the judge is taken at its word, and the
estimate says so. Each batch of audits moves the estimate in force by an exponential average.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from rewardsvc.labels.sampling import REJECTED
from rewardsvc.labels.types import LabelSource
from rewardsvc.noise import (
    Appeal,
    AppealRefused,
    AuditedVerdict,
    Judge,
    NoiseCell,
    NoiseEstimate,
    RateEstimate,
    estimate_noise,
    rates_from_appeals,
    smooth,
)
from rewardsvc.store.audits import AuditOutcome
from rewardsvc.store.labels import LabelRow
from rewardsvc.types import Outcome

__all__ = ["estimate_from_audits", "estimate_from_labels", "judge_errors"]

LEAST_FOR_A_JUDGE = 20
"""Right, and wrong, responses that must carry both labels before a judge's errors count as
known."""
LEAST_FOR_A_CELL = 50
"""Audits of one kind before it has rates of its own, where the judge's errors are corrected."""
_GOLD = (LabelSource.PERSON, LabelSource.ORACLE)
_REJECTED = frozenset(outcome.value for outcome in REJECTED)
_HALF = 0.5


class _Kind(NamedTuple):
    stage: str
    answer_type: str
    domain: str


def estimate_from_labels(scorer: str, rows: Sequence[LabelRow], now: datetime) -> NoiseEstimate:
    """The rates by all gold labels that say what the verifier concluded.

    Raises:
        AuditFailed: none does, or all are of right, or of wrong, responses.
    """
    gold = {row.sample_id: row for row in rows if row.source == LabelSource.ORACLE}
    gold |= {row.sample_id: row for row in rows if row.source == LabelSource.PERSON}
    audited = [
        AuditedVerdict(
            row.outcome == Outcome.CORRECT,
            row.value,
            row.inclusion_probability,
            row.cluster_id or row.sample_id,
            row.stage,
            row.answer_type,
            row.domain,
        )
        for row in gold.values()
        if row.outcome == Outcome.CORRECT or row.outcome in _REJECTED
    ]
    return replace(estimate_noise(audited, scorer, fitted_at=now), method="gold_labels")


def judge_errors(rows: Iterable[LabelRow]) -> Judge | None:
    """How often judges err, by the samples that carry a judge's and a gold label.

    None while fewer than LEAST_FOR_A_JUDGE right or wrong ones do.
    """
    said: dict[str, float] = {}
    truth: dict[str, float] = {}
    for row in rows:
        if row.source == LabelSource.JUDGE:
            said[row.sample_id] = row.value
        elif row.source in _GOLD:
            truth[row.sample_id] = row.value
    both = [(said[name] >= _HALF, truth[name] >= _HALF) for name in said.keys() & truth.keys()]
    right = [judged for judged, is_right in both if is_right]
    wrong = [judged for judged, is_right in both if not is_right]
    if min(len(right), len(wrong)) < LEAST_FOR_A_JUDGE:
        return None
    return Judge(sum(wrong) / len(wrong), 1 - sum(right) / len(right))


def estimate_from_audits(
    scorer: str,
    outcomes: Sequence[AuditOutcome],
    judge: Judge | None,
    before: NoiseEstimate | None,
    now: datetime,
) -> NoiseEstimate:
    """The estimate in force after one more batch of judged audits.

    Raises:
        AuditFailed, AppealRefused: the batch does not support an estimate; says why.
    """
    batch = _at_its_word(scorer, outcomes) if judge is None else _corrected(scorer, outcomes, judge)
    batch = replace(batch, fitted_at=now.isoformat())
    return batch if before is None else _smoothed(before, batch)


def _at_its_word(scorer: str, outcomes: Sequence[AuditOutcome]) -> NoiseEstimate:
    audited = [
        AuditedVerdict(
            outcome.accepted,
            outcome.value,
            outcome.inclusion_probability,
            outcome.cluster_id,
            outcome.stage,
            outcome.answer_type,
            outcome.domain,
        )
        for outcome in outcomes
    ]
    estimate = estimate_noise(audited, scorer)
    doubt = (
        "the judge is taken at its word: its own errors are not known, because fewer than "
        f"{LEAST_FOR_A_JUDGE} right and {LEAST_FOR_A_JUDGE} wrong samples carry both a judge's "
        "and a gold label"
    )
    return replace(estimate, warnings=(doubt, *estimate.warnings))


def _corrected(scorer: str, outcomes: Sequence[AuditOutcome], judge: Judge) -> NoiseEstimate:
    everything, true_rate = _cell(_Kind("", "", ""), outcomes, judge)
    cells = [everything]
    for depth in (1, 2, 3):
        members: dict[_Kind, list[AuditOutcome]] = {}
        for outcome in outcomes:
            parts = (outcome.stage, outcome.answer_type, outcome.domain)
            if parts[depth - 1]:
                kind = _Kind(*parts[:depth], *("",) * (3 - depth))
                members.setdefault(kind, []).append(outcome)
        for kind, mine in sorted(members.items()):
            if len(mine) < LEAST_FOR_A_CELL:
                continue
            try:
                cells.append(_cell(kind, mine, judge)[0])
            except AppealRefused:
                continue  # the wider cell stands for it
    doubts = tuple(cell.reason for cell in cells if not cell.enabled)
    return NoiseEstimate(
        scorer, tuple(cells), "appeals", labels=len(outcomes), true_rate=true_rate, warnings=doubts
    )


def _cell(kind: _Kind, outcomes: Sequence[AuditOutcome], judge: Judge) -> tuple[NoiseCell, float]:
    def verdicts(accepted: bool) -> int:
        """All verdicts of that side, by the Horvitz-Thompson estimate."""
        weights = (1 / o.inclusion_probability for o in outcomes if o.accepted is accepted)
        return round(sum(weights))

    appeals = [
        Appeal(outcome.accepted, outcome.value >= _HALF, outcome.inclusion_probability)
        for outcome in outcomes
    ]
    rates = rates_from_appeals(verdicts(True), verdicts(False), appeals, judge)
    cell = NoiseCell(rates.false_positive_rate, rates.false_negative_rate, *kind)
    return cell, rates.true_rate


def _smoothed(before: NoiseEstimate, batch: NoiseEstimate) -> NoiseEstimate:
    """The batch's estimate with every cell averaged into what was in force."""
    old = {cell.key: cell for cell in before.cells}
    new = {cell.key: cell for cell in batch.cells}
    cells = []
    for key in sorted(old | new, key=lambda key: (sum(map(bool, key)), key)):
        was, now = old.get(key), new.get(key)
        if was is None or now is None:
            cells.append(was or now or batch.cell())
            continue
        cells.append(
            replace(
                now,
                false_positive_rate=_average(was.false_positive_rate, now.false_positive_rate),
                false_negative_rate=_average(was.false_negative_rate, now.false_negative_rate),
            )
        )
    doubts = tuple(cell.reason for cell in cells if not cell.enabled)
    kept = tuple(doubt for doubt in batch.warnings if doubt.startswith("the judge"))
    return replace(
        batch,
        cells=tuple(cells),
        labels=before.labels + batch.labels,
        updates=before.updates + 1,
        warnings=(*kept, *doubts),
    )


def _average(was: RateEstimate, now: RateEstimate) -> RateEstimate:
    return smooth(was, now) or now
