"""All metrics of calibrated probabilities at once, with a reason for each that is undefined."""

from __future__ import annotations

from typing import NamedTuple

from rewardsvc.calibration.metrics.binned import (
    adaptive_calibration_error,
    debiased_l2,
    expected_calibration_error,
)
from rewardsvc.calibration.metrics.brier import brier_decomposition
from rewardsvc.calibration.metrics.ranking import auroc
from rewardsvc.calibration.metrics.selective import aurc, excess_aurc
from rewardsvc.calibration.metrics.smooth import smooth_ece
from rewardsvc.calibration.sample import Array

__all__ = ["Quality", "measure"]


class Quality(NamedTuple):
    """Metrics by name, None where undefined; `undefined` says why."""

    metrics: dict[str, float | None]
    undefined: dict[str, str]


def measure(
    predictions: Array, labels: Array, scores: Array, weights: Array | None = None
) -> Quality:
    """The quality of `predictions` in [0, 1]; AUROC is that of the raw `scores`.

    All arrays are (samples,), at least one sample. AURC and its excess take the prediction as
    the confidence and 1 - label as the error, and do not use the weights.
    """
    brier = brier_decomposition(predictions, labels, weights)
    metrics: dict[str, float | None] = {
        "expected_calibration_error": expected_calibration_error(predictions, labels, weights),
        "adaptive_calibration_error": adaptive_calibration_error(predictions, labels, weights),
        "debiased_l2": debiased_l2(predictions, labels, weights),
        "smooth_ece": smooth_ece(predictions, labels, weights),
        **{
            name if name == "brier" else f"brier_{name}": value
            for name, value in brier._asdict().items()
        },
        "auroc": auroc(scores, labels, weights),
        "aurc": aurc(predictions, 1 - labels),
        "excess_aurc": excess_aurc(predictions, 1 - labels),
    }
    undefined = {}
    if metrics["auroc"] is None:
        kind = "right" if labels.max() <= 0 else "wrong"
        undefined["auroc"] = f"there are no {kind} responses among {len(labels)} labels"
    return Quality(metrics, undefined)
