"""A confidence interval that also covers what an ensemble's members disagree about.

The calibrator's interval covers that it was fitted on few labels, for a score taken as exact.
With members' scores spread by d (their population standard deviation) around the ensemble's
score s, the interval becomes

    [ lower(s − d), upper(s + d) ]

Derived: a member drawn at random lies within one d of s about two times in three if they are
normal, and members that were trained on the same data err together, so d is not divided by the
root of their number. The probability stays that of s, which is what was calibrated. An
ensemble whose objective already subtracts disagreement is not penalised again: only the
interval moves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from rewardsvc.types import Confidence

__all__ = ["with_disagreement"]

Confidences = Callable[[NDArray[np.float64]], Sequence[Confidence]]


def with_disagreement(
    confidences: Confidences, scores: NDArray[np.float64], disagreement: NDArray[np.float64]
) -> list[Confidence]:
    """Confidences of ensemble scores, shape (samples,) each; `disagreement` is at least 0.

    `confidences` is a calibrator's own, monotone or not: the interval is never narrower than it.
    """
    return [
        Confidence(
            here.probability,
            min(here.lower, below.lower, above.lower),
            max(here.upper, below.upper, above.upper),
            f"{here.method}+disagreement",
        )
        for here, below, above in zip(
            confidences(scores),
            confidences(scores - disagreement),
            confidences(scores + disagreement),
            strict=True,
        )
    ]
