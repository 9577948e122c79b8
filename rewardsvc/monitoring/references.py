"""What a calibrated reward looked like on the labels that its calibrator was fitted on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rewardsvc.assembly import CalibratorSource, Recipe
from rewardsvc.calibration import FittedCalibrator
from rewardsvc.calibration.ranks import labelled_scores

__all__ = ["calibration_references"]

_QUANTILES = 1000


def calibration_references(recipe: Recipe) -> Mapping[str, NDArray[np.float64]]:
    """Rewards and confidences of the calibration set, 1000 quantiles each, by figure.

    Only for a reward that is one calibrated component: nothing else is known of the set but the
    ranks of its scores. Empty otherwise, or while no calibrator is in force.
    """
    source: CalibratorSource | None = recipe.parts[0].calibrators
    if len(recipe.parts) > 1 or recipe.shaping or recipe.parts[0].shaping or source is None:
        return {}
    calibrator = source.in_force("")
    if not isinstance(calibrator, FittedCalibrator):
        return {}
    scores = labelled_scores(calibrator.rank, _QUANTILES)
    return {
        "reward_drift": recipe.parts[0].weight * calibrator.apply(scores),
        "confidence_drift": calibrator.probabilities(scores),
    }
