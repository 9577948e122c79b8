"""How good calibrated probabilities are: pure functions on arrays of shape (samples,)."""

from rewardsvc.calibration.metrics.binned import (
    adaptive_calibration_error,
    debiased_l2,
    debiased_l2_squared,
    expected_calibration_error,
)
from rewardsvc.calibration.metrics.brier import (
    BrierDecomposition,
    brier_decomposition,
    brier_score,
)
from rewardsvc.calibration.metrics.coverage import Coverage, interval_coverage
from rewardsvc.calibration.metrics.ranking import auroc
from rewardsvc.calibration.metrics.report import Quality, measure
from rewardsvc.calibration.metrics.selective import (
    RiskPoint,
    aurc,
    excess_aurc,
    risk_coverage_curve,
    selective_threshold,
)
from rewardsvc.calibration.metrics.smooth import smooth_ece

__all__ = [
    "BrierDecomposition",
    "Coverage",
    "Quality",
    "RiskPoint",
    "adaptive_calibration_error",
    "aurc",
    "auroc",
    "brier_decomposition",
    "brier_score",
    "debiased_l2",
    "debiased_l2_squared",
    "excess_aurc",
    "expected_calibration_error",
    "interval_coverage",
    "measure",
    "risk_coverage_curve",
    "selective_threshold",
    "smooth_ece",
]
