"""What a calibration method is: something that makes a map from labelled scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rewardsvc.calibration.fitted import FittedCalibrator
from rewardsvc.calibration.maps import Bins, CalibrationMap
from rewardsvc.calibration.sample import CalibrationFailed, Sample

__all__ = ["Choice", "FitMap", "Method", "or_constant"]

FitMap = Callable[[Sample], CalibrationMap]


class Choice(NamedTuple):
    """What a method with a choice to make settled on."""

    fit: FitMap
    name: str


def or_constant(fit: FitMap) -> FitMap:
    """`fit`, giving the labels' mean at every score where they do not support a map."""

    def fit_or_mean(sample: Sample) -> CalibrationMap:
        try:
            return fit(sample)
        except CalibrationFailed:
            mean = np.average(sample.labels, weights=sample.weights)
            return Bins(np.zeros(0), np.array([min(1.0, max(0.0, float(mean)))]))

    return fit_or_mean


@dataclass(frozen=True, slots=True)
class Method:
    """A named method; `fit` makes its map, after `choose`, if any, has settled on one."""

    name: str
    fit: FitMap
    choose: Callable[[Sample], Choice] | None = None

    def settle(self, sample: Sample) -> Choice:
        """What to fit with, having seen the labels; the name is empty without a choice."""
        return Choice(self.fit, "") if self.choose is None else self.choose(sample)

    def __call__(self, labels: Path) -> FittedCalibrator:
        """Fits to a label file; see `rewardsvc.calibration.fit.fit_file`."""
        from rewardsvc.calibration.fit import fit_file  # which stands on the methods

        return fit_file(labels, self.name)
