"""What labels must be like for a calibration, and what a person should know of it.

Refused: too few labels, labels or scores that do not vary, and a scorer that is inverted (its
scores fall as labels rise): a map would hide that. What is only doubtful becomes a warning.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from rewardsvc.calibration.labels import LabelledScores
from rewardsvc.calibration.metrics.ranking import auroc
from rewardsvc.calibration.ranks import mid_ranks
from rewardsvc.calibration.sample import CalibrationFailed, Sample
from rewardsvc.intervals import cluster_bootstrap, effective_size

__all__ = ["FEWEST_LABELS", "check_fittable", "doubts"]

FEWEST_LABELS = 20
"""Fewer labels than this are refused: the steps of the map would be single labels."""
_FEWEST_CLUSTERS = 20
_FEWEST_VALUES = 5
_LARGEST_TIE = 0.9


def check_fittable(sample: Sample, *, allow_uninformative: bool = False) -> None:
    """Refuses labels that no map can be fitted to.

    With `allow_uninformative` a scorer that does not order the labels, or orders them the
    wrong way round, is let through: a monotone map of it is flat.

    Raises:
        CalibrationFailed: says why.
    """
    if len(sample) < FEWEST_LABELS:
        raise CalibrationFailed(f"{len(sample)} labels; at least {FEWEST_LABELS} are needed")
    for name, values in (("labels", sample.labels), ("scores", sample.scores)):
        if values.min() == values.max():
            raise CalibrationFailed(
                f"all {len(sample)} {name} are {values[0]:g}; they must vary for a calibration"
            )
    if allow_uninformative:
        return
    covariance = np.cov(mid_ranks(sample.scores), sample.labels, aweights=sample.weights)
    correlation = float(covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    if correlation <= 0:
        raise CalibrationFailed(
            "the scorer is inverted or says nothing: higher scores do not have higher labels "
            f"(correlation of score rank and label {correlation:.3f} over {len(sample)} labels)"
        )


def _auroc_interval(sample: Sample) -> tuple[float, float] | None:
    """The 90 % cluster-bootstrap interval of the scorer's AUROC, where defined."""
    return cluster_bootstrap(
        lambda rows: auroc(sample.scores[rows], sample.labels[rows], sample.weights[rows]),
        sample.clusters,
        rounds=200,
    )


def doubts(data: LabelledScores, sample: Sample) -> list[str]:
    """What to know before trusting a calibration on `sample`, some of the labels of `data`."""
    found = []
    clusters = sample.cluster_count
    if not any(data.cluster_ids):
        found.append("no label names its cluster: each counts as independent of the others")
    elif clusters < _FEWEST_CLUSTERS:
        found.append(f"only {clusters} clusters: intervals are unreliable below {_FEWEST_CLUSTERS}")
    interval = _auroc_interval(sample)
    if interval is not None and interval[0] <= 0.5:
        how = "surely inverted" if interval[1] < 0.5 else "not surely better than chance"
        found.append(
            f"the scorer is {how}: 90 % interval of its AUROC is "
            f"[{interval[0]:.3f}, {interval[1]:.3f}]"
        )
    values, count = np.unique(sample.scores, return_counts=True)
    if len(values) < _FEWEST_VALUES:
        found.append(f"the scorer gives only {len(values)} distinct scores")
    elif count.max() > _LARGEST_TIE * len(sample):
        found.append(
            f"the scorer is nearly constant: {count.max()} of {len(sample)} labels have the "
            f"score {values[count.argmax()]:g}"
        )
    effective = effective_size(sample.weights)
    if effective < len(sample) / 2:
        found.append(
            f"inclusion probabilities are uneven: {len(sample)} labels are worth {effective:.0f}"
        )
    judged = Counter(data.sources)["judge"]
    if judged:
        found.append(f"{judged} of {len(data)} labels come from a judge, which errs itself")
    return found
