"""From raw scores to probabilities, fitted on labels: pure functions on arrays, no torch."""

from rewardsvc.calibration.isotonic import CalibrationFailed, IsotonicCalibrator
from rewardsvc.calibration.labels import LabelledScores, load_labels
from rewardsvc.calibration.methods import METHODS

__all__ = ["METHODS", "CalibrationFailed", "IsotonicCalibrator", "LabelledScores", "load_labels"]
