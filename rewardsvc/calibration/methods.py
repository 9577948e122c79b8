"""The calibration methods by name: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from rewardsvc.calibration.isotonic import IsotonicCalibrator
from rewardsvc.calibration.labels import load_labels

__all__ = ["METHODS"]


def _isotonic(labels: Path) -> IsotonicCalibrator:
    return IsotonicCalibrator.fit(load_labels(labels))


METHODS: Mapping[str, Callable[[Path], IsotonicCalibrator]] = MappingProxyType(
    {
        "isotonic": _isotonic,
    }
)
"""From a label file to a fitted calibrator; raises ConfigError for labels that cannot do."""
