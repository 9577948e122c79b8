"""From labelled scores to a fitted calibrator: check, borrow, fit, cross-fit, bound, warn.

Quality is measured on held-out folds: the map is fitted five times, each time without a fifth
of the clusters (whole prompts, dealt out by the hash of their ids), and the metrics are those
of the predictions for what was left out. What a method chooses after seeing labels (autocal)
is chosen once, on all of them.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import numpy as np

from rewardsvc.calibration.bands import band_of
from rewardsvc.calibration.checks import check_fittable, doubts
from rewardsvc.calibration.domains import Borrowing, borrowing_for
from rewardsvc.calibration.fitted import FittedCalibrator, shift_log_odds
from rewardsvc.calibration.labels import LabelledScores, load_labels
from rewardsvc.calibration.maps import CalibrationMap
from rewardsvc.calibration.method import FitMap, or_constant
from rewardsvc.calibration.methods import METHODS
from rewardsvc.calibration.metrics.report import Quality, measure
from rewardsvc.calibration.ranks import rank_curve
from rewardsvc.calibration.sample import Array, CalibrationFailed, Sample, folds_of

__all__ = ["DEFAULT_METHOD", "fit_calibrator", "fit_file", "out_of_fold"]

DEFAULT_METHOD = "isotonic"
_ROUNDS = 200


def fit_calibrator(
    labelled: LabelledScores,
    method: str = DEFAULT_METHOD,
    domain: str = "",
    *,
    fitted_at: datetime | None = None,
    rounds: int = _ROUNDS,
    allow_uninformative: bool = False,
) -> FittedCalibrator:
    """Fits a calibrator for `domain` (empty: for all) to labelled scores, higher being better.

    `labelled` holds labels of all domains, to borrow from; `rounds` is the number of bootstrap
    rounds behind the interval; `fitted_at`, with time zone, is kept as it is.
    `allow_uninformative` fits a scorer that does not order the labels too; a monotone map of it
    is flat, and a warning says so. Deterministic,
    and independent of the order of the labels where clusters are named.

    Raises:
        CalibrationFailed: too few labels, labels or scores that do not vary, an inverted
            scorer, or a method that these labels cannot carry; says why.
        ValueError: an unknown method, or a time without time zone.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; allowed: {', '.join(METHODS)}")
    if fitted_at is not None and fitted_at.tzinfo is None:
        raise ValueError(f"fitted_at is {fitted_at}; it must have a time zone")
    everything = Sample.of(labelled)
    check_fittable(everything, allow_uninformative=allow_uninformative)
    borrowing = borrowing_for(everything, labelled.domains, domain, METHODS[method].fit)
    try:
        check_fittable(borrowing.sample, allow_uninformative=allow_uninformative)
    except CalibrationFailed as error:
        raise CalibrationFailed(f"domain {domain!r}: {error.message}") from None
    choice = METHODS[method].settle(borrowing.sample)
    fit = or_constant(choice.fit) if allow_uninformative else choice.fit
    fitted = borrowing.fit(fit, borrowing.sample)
    band = band_of(fitted, borrowing, fit, rounds=rounds)
    quality, trouble = _held_out_quality(borrowing, fit)
    warnings = doubts(labelled, borrowing.sample) + trouble
    return FittedCalibrator(
        method=method,
        map=fitted.map,
        rank=rank_curve(borrowing.sample.scores),
        band_x=band.x,
        band_lower=band.lower,
        band_upper=band.upper,
        domain=domain,
        fallback=borrowing.fallback,
        shift=fitted.shift,
        labels=len(borrowing.sample),
        clusters=borrowing.sample.cluster_count,
        domain_labels=sum(each == domain for each in labelled.domains) if domain else 0,
        sources=dict(Counter(source or "unsaid" for source in labelled.sources)),
        details={"chosen": choice.name} if choice.name else {},
        metrics=quality.metrics,
        undefined=quality.undefined,
        warnings=tuple(warnings + _falls(fitted.map, band.x)),
        fitted_at="" if fitted_at is None else fitted_at.isoformat(),
    )


def fit_file(
    path: Path, method: str = DEFAULT_METHOD, domain: str = "", fitted_at: datetime | None = None
) -> FittedCalibrator:
    """Fits a calibrator to a label file.

    Raises:
        ConfigError: the file is not one of labels, or its labels do not support the method.
    """
    return fit_calibrator(load_labels(path), method, domain, fitted_at=fitted_at)


def out_of_fold(borrowing: Borrowing, fit: FitMap) -> Array:
    """The probability of each label by a map that has not seen its cluster, shape (labels,).

    NaN where the other folds' labels did not support a map.
    """
    sample = borrowing.sample
    folds = folds_of(sample)
    predictions = np.full(len(sample), np.nan)
    for fold in range(int(folds.max(initial=0)) + 1):
        inside = folds == fold
        try:
            fitted = borrowing.fit(fit, sample.take(~inside))
        except CalibrationFailed:
            continue
        predictions[inside] = shift_log_odds(fitted.map(sample.scores[inside]), fitted.shift)
    return predictions


def _held_out_quality(borrowing: Borrowing, fit: FitMap) -> tuple[Quality, list[str]]:
    sample = borrowing.sample
    predictions = out_of_fold(borrowing, fit)
    wanted = np.ones(len(sample), dtype=np.bool_)
    if borrowing.domain is not None:
        wanted = sample.domains == borrowing.domain
    usable = wanted & ~np.isnan(predictions)
    trouble = []
    if usable.sum() < wanted.sum():
        trouble.append(
            f"{wanted.sum() - usable.sum()} of {wanted.sum()} labels could not be held out: the "
            "other folds do not support a map"
        )
    if not usable.any():
        return Quality({}, {"all": "no fold could be held out"}), trouble
    held = sample.take(usable)
    return measure(predictions[usable], held.labels, held.scores, held.weights), trouble


def _falls(fitted: CalibrationMap, x: Array) -> list[str]:
    """A warning where the map falls as the score rises."""
    falls = np.flatnonzero(np.diff(fitted(x)) < 0)
    if not len(falls):
        return []
    return [
        f"the map falls as the score rises, first at {x[falls[0]]:g}: a response with a lower "
        "score can have the higher reward"
    ]
