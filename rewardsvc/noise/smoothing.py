"""Exponential moving average of rates across batches.

rate <- decay * rate + (1 - decay) * batch's rate, decay 0.9 (arXiv 2510.00915). Call it once a
batch. A batch that does not support an estimate (`AppealRefused`: no accepted response, a
useless judge) is skipped: None leaves the rates as they are. The effective number of labels is
that of a weighted mean, 1 / sum of weight^2 / labels (derived), and the interval that of so
many labels.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.intervals import jeffreys
from rewardsvc.noise.rates import INTERVAL, RateEstimate

__all__ = ["DECAY", "smooth"]

DECAY = 0.9


def smooth(
    before: RateEstimate | None,
    batch: RateEstimate | None,
    *,
    decay: float = DECAY,
    level: float = INTERVAL,
) -> RateEstimate | None:
    """The average after a batch; `before` is None until there is one.

    Raises:
        ValueError: a decay outside [0, 1).
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay is {decay}; must be in [0, 1)")
    if batch is None or before is None or not before.labels > 0:
        return before if batch is None else batch
    if not batch.labels > 0:
        return before
    rate = decay * before.rate + (1 - decay) * batch.rate
    labels = 1 / (decay**2 / before.labels + (1 - decay) ** 2 / batch.labels)
    lower, upper = jeffreys(np.array([rate * labels]), np.array([labels]), level)
    return RateEstimate(rate, min(float(lower[0]), rate), max(float(upper[0]), rate), labels)
