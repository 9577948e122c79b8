"""The calibration methods by name: one line each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from rewardsvc.calibration.autocal import choose_autocal
from rewardsvc.calibration.beta import fit_beta
from rewardsvc.calibration.histogram import fit_histogram
from rewardsvc.calibration.isotonic import fit_isotonic
from rewardsvc.calibration.method import Method
from rewardsvc.calibration.platt import fit_platt
from rewardsvc.calibration.scaling_binning import fit_scaling_binning
from rewardsvc.calibration.temperature import fit_temperature
from rewardsvc.calibration.two_stage import fit_two_stage

__all__ = ["METHODS"]

METHODS: Mapping[str, Method] = MappingProxyType(
    {
        method.name: method
        for method in (
            Method("isotonic", fit_isotonic),
            Method("two_stage", fit_two_stage),
            Method("autocal", fit_isotonic, choose_autocal),
            Method("platt", fit_platt),
            Method("temperature", fit_temperature),
            Method("beta", fit_beta),
            Method("histogram", fit_histogram),
            Method("scaling_binning", fit_scaling_binning),
        )
    }
)
