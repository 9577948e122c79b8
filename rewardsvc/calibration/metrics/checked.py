"""What every metric asks of its arguments."""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.sample import Array

__all__ = ["checked"]


def checked(
    predictions: Array, labels: Array, weights: Array | None, *, probabilities: bool = True
) -> tuple[Array, Array, Array]:
    """Predictions, labels and weights (ones by default) as float arrays (samples,).

    Raises:
        ValueError: no samples, shapes that differ, labels outside [0, 1], predictions that are
            not finite (or not in [0, 1] where they are probabilities), weights not above 0.
    """
    p = np.asarray(predictions, dtype=np.float64)
    y = np.asarray(labels, dtype=np.float64)
    w = np.ones_like(y) if weights is None else np.asarray(weights, dtype=np.float64)
    if p.ndim != 1 or not len(p) or p.shape != y.shape or p.shape != w.shape:
        raise ValueError(
            "predictions, labels and weights must have one shape (samples,), at least one "
            f"sample, not {p.shape}, {y.shape} and {w.shape}"
        )
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError("labels must be in [0, 1]")
    if probabilities and not ((p >= 0) & (p <= 1)).all():
        raise ValueError("predictions must be in [0, 1]")
    if not np.isfinite(p).all():
        raise ValueError("predictions must be finite")
    if not ((w > 0) & (w < np.inf)).all():
        raise ValueError("weights must be finite and above 0")
    return p, y, w
