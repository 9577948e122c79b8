"""From stored labels to a calibrator, and from a stored calibrator to its description.

Pure functions. Labels of judges are left out: a judge errs itself, and a calibrator fitted on
it would learn the judge's errors as truth. Where a person and an oracle have both labelled a
sample, the person's label counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rewardsvc.calibration import FittedCalibrator, LabelledScores, fit_calibrator
from rewardsvc.calibration.labels import LabelledScore
from rewardsvc.labels.errors import LabelsInsufficient
from rewardsvc.labels.types import Calibration, CurvePoint, LabelSource
from rewardsvc.store.calibrators import CalibratorKey, StoredCalibrator
from rewardsvc.store.labels import LabelRow

_GOLD = (LabelSource.PERSON, LabelSource.ORACLE)
"""Sources that calibrators are fitted on, the one that counts first."""


class Gold(NamedTuple):
    """The labels to fit on, and what was left out."""

    scores: LabelledScores
    remarks: tuple[str, ...]


def fit(key: CalibratorKey, method: str, rows: Sequence[LabelRow]) -> StoredCalibrator:
    """Fits a calibrator on the labels of all domains of its scorer.

    Raises:
        LabelsInsufficient: no label can be fitted on; says why.
        CalibrationFailed: the labels do not support a calibration; says why.
    """
    gold = gold_of(rows)
    if not len(gold.scores):
        said = "; ".join(gold.remarks) or "none is stored"
        raise LabelsInsufficient(
            f"no label of scorer {key.scorer!r} of reward {key.reward!r} can be fitted on: {said}"
        )
    now = datetime.now(UTC).replace(microsecond=0)
    fitted = fit_calibrator(gold.scores, method, key.domain, fitted_at=now)
    return StoredCalibrator(
        key,
        fitted.version,
        fitted.method,
        fitted.to_json(),
        fitted.labels,
        fitted.clusters,
        gold.remarks,
        now,
    )


def describe(stored: StoredCalibrator) -> Calibration:
    """What there is to know about a stored calibrator; raises ConfigError if it was changed."""
    fitted = FittedCalibrator.from_json(stored.payload)
    undefined = (f"{name} is undefined: {why}" for name, why in fitted.undefined.items())
    fallback = (fitted.fallback,) if fitted.fallback else ()
    return Calibration(
        stored.version,
        stored.method,
        stored.key.domain,
        tuple(CurvePoint(*point) for point in fitted.curve),
        {name: value for name, value in fitted.metrics.items() if value is not None},
        stored.labels,
        stored.clusters,
        stored.fitted_at,
        (*fitted.warnings, *fallback, *stored.warnings, *undefined),
    )


def gold_of(rows: Iterable[LabelRow]) -> Gold:
    """One label a sample, from the best source that has one, of those that have a score."""
    left_out: Counter[str] = Counter()
    best: dict[str, LabelRow] = {}
    for row in rows:
        if row.source not in _GOLD:
            left_out["are by judges, which err themselves"] += 1
        elif row.score is None:
            left_out["have no score"] += 1
        elif row.sample_id in best:
            left_out["are by an oracle where a person has said"] += 1
            if row.source == LabelSource.PERSON:
                best[row.sample_id] = row
        else:
            best[row.sample_id] = row
    scores = LabelledScores.of(
        LabelledScore(
            row.score,
            row.value,
            row.cluster_id or row.sample_id,
            row.domain,
            row.inclusion_probability,
            row.source,
        )
        for row in best.values()
        if row.score is not None
    )
    return Gold(scores, tuple(f"{number} labels {why}" for why, number in left_out.items()))
