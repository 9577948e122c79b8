"""From scores to results: pure functions, no I/O, no torch."""

from rewardsvc.assembly.assemble import Circumstances, assemble
from rewardsvc.assembly.noise import VerifierNoise, given_rates
from rewardsvc.assembly.recipe import (
    Calibrator,
    CalibratorSource,
    Corrected,
    NoiseCorrector,
    Part,
    Recipe,
    SameEverywhere,
)

__all__ = [
    "Calibrator",
    "CalibratorSource",
    "Circumstances",
    "Corrected",
    "NoiseCorrector",
    "Part",
    "Recipe",
    "SameEverywhere",
    "VerifierNoise",
    "assemble",
    "given_rates",
]
