"""The mean true reward of many samples, with an interval, from a calibrated scorer.

`slice_mean`: none of the samples is labelled; the labels are elsewhere. The estimate is the
mean calibrated probability. Its variance is that of the calibration (OUA jackknife: the map is
fitted again without each fold of clusters; CJE, arXiv 2512.11150) plus, for what the samples'
labels themselves would average to, that of labels around the map. It rests on a label meaning
the same at a score in the slice as among the labelled: where policies differ, audit.

`augmented_mean`: some of the samples are labelled, with known probabilities. The estimate is
the mean of out-of-fold predictions plus the weighted mean of the labelled residuals (CJE's
augmented estimate; AIPW), right on average whatever the map.

Degrees of freedom by Satterthwaite's rule; intervals by Student's t, on the scale
of log-odds (delta method), where the distribution of a mean near 0 or 1 is less skewed.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.checks import check_fittable
from rewardsvc.calibration.labels import LabelledScores
from rewardsvc.calibration.maps import CalibrationMap
from rewardsvc.calibration.method import FitMap, or_constant
from rewardsvc.calibration.methods import METHODS
from rewardsvc.calibration.sample import Array, Sample, folds_of
from rewardsvc.intervals import INTERVAL

__all__ = ["MeanEstimate", "augmented_mean", "oua_variance", "slice_mean"]

_JACKKNIFE_FOLDS = 20
# Prompts, beyond those labelled, that the scorer does not explain: the add-two rule.
_UNEXPLAINED = 2.0


class MeanEstimate(NamedTuple):
    """A mean in [0, 1] with its interval and what makes up its variance."""

    mean: float
    lower: float
    upper: float
    standard_error: float
    calibration_variance: float
    """The part that comes from having fitted the map on few labels."""
    degrees_of_freedom: float


def oua_variance(estimates: Array) -> float:
    """(K - 1) / K sum_k (estimate without fold k - their mean)^2; 0 for fewer than two folds."""
    count = len(estimates)
    if count < 2:
        return 0.0
    return float((count - 1) / count * ((estimates - estimates.mean()) ** 2).sum())


def slice_mean(
    labelled: LabelledScores,
    scores: Array,
    cluster_ids: tuple[str, ...] = (),
    *,
    method: str = "isotonic",
    population: bool = False,
    level: float = INTERVAL,
) -> MeanEstimate:
    """The mean true reward of samples that have `scores` (samples,) and no labels.

    `cluster_ids` name the samples' prompts (none: each its own). The interval is for what the
    labels of these very samples would average to, or with `population` for the mean over all
    samples like them.

    Raises:
        CalibrationFailed: too few labels, or labels or scores that do not vary. A scorer that
            says nothing is no error: the estimate is then the labels' mean.
        ValueError: no scores, or one that is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError("scores must be finite, of shape (samples,), at least one")
    sample = Sample.of(labelled)
    check_fittable(sample, allow_uninformative=True)
    fit = METHODS[method].settle(sample).fit
    predicted = or_constant(fit)(sample)(values)
    without = _leave_out(sample, fit, _JACKKNIFE_FOLDS)
    calibration = oua_variance(np.array([fitted(values).mean() for fitted, _ in without]))
    place = Sample.of(LabelledScores(values, np.zeros(len(values)), tuple(cluster_ids))).clusters
    if population:
        residuals = predicted - predicted.mean()
        rest = float((np.bincount(place, weights=residuals) ** 2).sum()) / len(values) ** 2
        rest_freedom = len(np.unique(place)) - 1
    else:
        rest = _label_variance(sample, without, predicted, place)
        rest_freedom = sample.cluster_count - 1
    return _interval(
        float(predicted.mean()), calibration, len(without) - 1, rest, rest_freedom, level
    )


def augmented_mean(
    scores: Array,
    labels: Array,
    inclusion_probabilities: Array | None = None,
    cluster_ids: tuple[str, ...] = (),
    *,
    method: str = "isotonic",
    level: float = INTERVAL,
) -> MeanEstimate:
    """The mean true reward of samples of which those with a label (not NaN) were audited.

    `scores` and `labels` are (samples,); each sample was chosen for labelling with the known
    `inclusion_probabilities` in (0, 1] (None: the labelled share, for all alike), whole
    clusters or not. Estimate: mean of g_i + R_i / pi_i (Y_i - g_i), with g_i the probability
    that a map fitted without the sample's cluster gives.

    Raises:
        CalibrationFailed: too few labels, or labels or scores that do not vary. A scorer that
            says nothing is no error: the estimate is then the labels' mean.
        ValueError: shapes that differ, or values out of range.
    """
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    known = ~np.isnan(truth)
    chosen = np.full(len(values), known.mean() if known.any() else 1.0)
    if inclusion_probabilities is not None:
        chosen = np.asarray(inclusion_probabilities, dtype=np.float64)
    everything = Sample.of(
        LabelledScores(
            values, np.where(known, truth, 0.0), tuple(cluster_ids), inclusion_probabilities=chosen
        )
    )
    labelled = everything.take(known)
    check_fittable(labelled, allow_uninformative=True)
    fit = METHODS[method].settle(labelled).fit
    folds = folds_of(everything)
    predicted = np.zeros(len(values))
    for fold in range(int(folds.max()) + 1):
        inside = folds == fold
        predicted[inside] = or_constant(fit)(labelled.take(folds[known] != fold))(values[inside])
    correction = np.where(known, (everything.labels - predicted) / chosen, 0.0)
    terms = predicted + correction
    mean = float(terms.mean())
    totals = np.bincount(everything.clusters, weights=terms - mean)
    totals = totals[np.unique(everything.clusters)]
    clusters = len(totals)
    between = float((totals**2).sum()) * clusters / max(1, clusters - 1) / len(values) ** 2
    without = _leave_out(labelled, fit, _JACKKNIFE_FOLDS)
    calibration = oua_variance(
        np.array([_augmented(fitted, values, everything, known, chosen) for fitted, _ in without])
    )
    freedom = labelled.cluster_count - 1
    return _interval(mean, calibration, max(1, len(without) - 1), between, freedom, level)


def _leave_out(
    sample: Sample, fit: FitMap, folds: int
) -> list[tuple[CalibrationMap, NDArray[np.bool_]]]:
    """For each fold: the map of the other labels, and which labels were left out."""
    place = folds_of(sample, folds)
    return [
        (or_constant(fit)(sample.take(place != fold)), place == fold)
        for fold in range(int(place.max()) + 1)
    ]


def _label_variance(
    sample: Sample,
    without: list[tuple[CalibrationMap, NDArray[np.bool_]]],
    predicted: Array,
    place: NDArray[np.intp],
) -> float:
    """Variance of the slice's mean label around its mean probability.

    With v = p (1 - p), a label's variance is taken as c v and the covariance of two labels of
    one cluster as d sqrt(v v'); c and d come from the out-of-fold residuals of the labelled
    (derived). Labels of one prompt may vary against each other (d < 0): one right among ten.
    For v, p is drawn towards the mean label by 1 / sqrt(clusters), since a probability of 0
    or 1 from few labels is no certainty; and two prompts of average size are added whose
    labels nothing explains (as Agresti and Coull add two of each to a share), since among few
    prompts the odd one that drives the variance may be missing.
    """
    out_of_fold = np.zeros(len(sample))
    for fitted, inside in without:
        out_of_fold[inside] = fitted(sample.scores[inside])
    residual = sample.labels - out_of_fold
    center = float(sample.labels.mean())
    shrink = 1 / math.sqrt(sample.cluster_count)

    def spread(p: Array) -> Array:
        shrunk = (1 - shrink) * p + shrink * center
        return np.asarray(np.sqrt(shrunk * (1 - shrunk)))

    alone, together = _pair_sums(spread(out_of_fold), sample.clusters)
    own, shared = _pair_sums(residual, sample.clusters)
    size = len(sample) / sample.cluster_count
    unexplained = _UNEXPLAINED * center * (1 - center) * size
    own, shared = own + unexplained, shared + unexplained * (size - 1)
    slice_alone, slice_together = _pair_sums(spread(predicted), place)
    total = own / alone * slice_alone
    if together > 0:
        total += shared / together * slice_together
    return max(0.0, total) / len(predicted) ** 2


def _pair_sums(values: Array, clusters: NDArray[np.intp]) -> tuple[float, float]:
    """Sum of squares, and sum over ordered pairs within clusters of products."""
    alone = float((values**2).sum())
    return alone, float((np.bincount(clusters, weights=values) ** 2).sum()) - alone


def _augmented(
    fitted: CalibrationMap,
    values: Array,
    everything: Sample,
    known: NDArray[np.bool_],
    chosen: Array,
) -> float:
    predicted = fitted(values)
    residual = np.where(known, (everything.labels - predicted) / chosen, 0.0)
    return float((predicted + residual).mean())


def _interval(
    mean: float,
    calibration: float,
    calibration_freedom: int,
    rest: float,
    rest_freedom: int,
    level: float,
) -> MeanEstimate:
    from scipy.stats import t

    variance = calibration + rest
    parts = ((calibration, calibration_freedom), (rest, rest_freedom))
    spread = sum(part**2 / max(1, freedom) for part, freedom in parts)
    freedom = variance**2 / spread if spread > 0 else float(max(1, rest_freedom))
    error = math.sqrt(variance)
    mean = min(1.0, max(0.0, mean))
    reach = float(t.ppf((1 + level) / 2, freedom)) * error
    if 0 < mean < 1:
        # On the scale of log-odds: a mean near 1 is surer not to be higher than not to be lower.
        odds, spread = math.log(mean / (1 - mean)), reach / (mean * (1 - mean))
        lower, upper = (1 / (1 + math.exp(-_bounded(odds + d))) for d in (-spread, spread))
    else:
        lower, upper = max(0.0, mean - reach), min(1.0, mean + reach)
    return MeanEstimate(mean, lower, upper, error, calibration, freedom)


def _bounded(odds: float) -> float:
    return min(700.0, max(-700.0, odds))
