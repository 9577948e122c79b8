"""Failed members: what counts as a failure, and how many members must be left.

A score matrix has shape (samples, members) and is NaN where a member failed. With at least
`minimum_members` left, the objective is taken over those present; with fewer, the sample has
no score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scores", "enough_members", "mask_failures", "population_moments"]

Scores = NDArray[np.float64]


def mask_failures(scores: NDArray[np.floating]) -> Scores:
    """The (samples, members) scores as float64 with every non-finite one as NaN.

    An infinite score is a failure of its member like any other: it is never passed on.

    Raises:
        ValueError: the array does not have two dimensions, or has no members.
    """
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0:
        raise ValueError(
            f"member scores must have shape (samples, members >= 1), not {matrix.shape}"
        )
    return np.where(np.isfinite(matrix), matrix, np.nan)


def enough_members(scores: NDArray[np.floating], minimum_members: int) -> NDArray[np.bool_]:
    """For each sample, whether at least `minimum_members` (1..members) have a score.

    Raises:
        ValueError: `minimum_members` is outside 1..members.
    """
    present = np.isfinite(mask_failures(scores))
    members = present.shape[1]
    if not 1 <= minimum_members <= members:
        raise ValueError(f"minimum_members must be in 1..{members}, not {minimum_members}")
    return np.asarray(present.sum(axis=1) >= minimum_members)


def population_moments(scores: NDArray[np.floating]) -> tuple[Scores, Scores]:
    """Mean and population variance (ddof=0) over the members present; NaN where there are none.

    One member has variance 0.
    """
    matrix = mask_failures(scores)
    present = np.isfinite(matrix)
    count = present.sum(axis=1)
    divisor = np.maximum(count, 1)
    # Centred on one present member first: exact for equal members, stable for large offsets.
    anchor = np.take_along_axis(matrix, present.argmax(axis=1)[:, None], axis=1)
    centred = np.where(present, matrix - anchor, 0.0)
    offset = centred.sum(axis=1) / divisor
    deviation = np.where(present, centred - offset[:, None], 0.0)
    variance = np.square(deviation).sum(axis=1) / divisor
    nothing = count == 0
    return anchor[:, 0] + offset, np.where(nothing, np.nan, variance)
