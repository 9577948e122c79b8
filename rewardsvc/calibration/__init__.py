"""From raw scores to probabilities, fitted on labels: pure functions on arrays, no torch."""

from rewardsvc.calibration.fit import fit_calibrator, fit_file
from rewardsvc.calibration.fitted import CurvePoint, FittedCalibrator
from rewardsvc.calibration.labels import LabelledScore, LabelledScores, load_labels
from rewardsvc.calibration.methods import METHODS
from rewardsvc.calibration.sample import CalibrationFailed

__all__ = [
    "METHODS",
    "CalibrationFailed",
    "CurvePoint",
    "FittedCalibrator",
    "LabelledScore",
    "LabelledScores",
    "fit_calibrator",
    "fit_file",
    "load_labels",
]
