"""How far the members of an ensemble are apart on a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate.members import Scores, population_moments

__all__ = ["disagreement"]


def disagreement(standardised: NDArray[np.floating]) -> Scores:
    """Population standard deviation (ddof=0) over the members' standardised scores.

    Takes (samples, members), gives (samples,), in units of the members' standard deviation on
    the reference set; 0 where one member is left, NaN where none is.
    """
    _, variance = population_moments(standardised)
    return np.asarray(np.sqrt(variance))
