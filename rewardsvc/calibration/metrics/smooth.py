"""Smooth ECE: calibration error without bins (Blasiok and Nakkiran, arXiv 2309.12236).

r(t) = (1 / n) sum_i K_s(t, p_i) (y_i - p_i) with K_s a Gaussian of width s reflected at 0 and
1; smECE_s = integral over [0, 1] of |r(t)| dt, which falls as s grows; the smooth ECE is the s
with smECE_s = s, found by bisection. On a grid of 4,096 cells; the reflected Gaussian is then
a product in the cosine transform, whose k-th factor is exp(-(pi k s)^2 / 2) (derived).
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.metrics.checked import checked
from rewardsvc.calibration.sample import Array

__all__ = ["smooth_ece"]

_CELLS = 4096
_STEPS = 30


def smooth_ece(predictions: Array, labels: Array, weights: Array | None = None) -> float:
    """The smooth calibration error, in [0, 1]."""
    from scipy.fft import dct, idct

    p, y, w = checked(predictions, labels, weights)
    cell = np.minimum((p * _CELLS).astype(np.intp), _CELLS - 1)
    residual = np.bincount(cell, weights=w * (y - p), minlength=_CELLS) / w.sum()
    spectrum = dct(residual, norm="ortho")
    frequency = np.pi * np.arange(_CELLS)

    def smoothed_error(width: float) -> float:
        kernel = np.exp(-((frequency * width) ** 2) / 2)
        return float(np.abs(idct(spectrum * kernel, norm="ortho")).sum())

    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if smoothed_error(middle) > middle else (low, middle)
    return (low + high) / 2
