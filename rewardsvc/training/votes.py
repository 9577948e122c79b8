"""Finding badly labelled pairs by votes of reward models that were not trained on them.

Training pairs are cut into folds by prompt; for each fold, voters with different seeds are
trained on the other folds and say how far the chosen response of each pair of the fold is above
the rejected one. After Wang et al., "Secrets of RLHF II: Reward Modeling" (arXiv 2401.06080),
who find labels that are likely wrong where the mean margin over several reward models is low;
their models see all pairs, here a voter never saw the pair it votes on (derived: a model that
fitted a wrong label would vote for it).

A pair is taken to be the wrong way round when at most `agreement` of the voters put its chosen
response first. The default 0 asks for all of them. Voters err together, so a unanimous vote is
weaker evidence than independence would make it, and hard pairs are flagged more often than easy
ones; `flip` therefore needs good voters, `drop` is the safer choice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["VoteCount", "count_votes"]


@dataclass(frozen=True, slots=True)
class VoteCount:
    """For each pair: the share of voters for its chosen response, and whether it looks wrong."""

    agreement: NDArray[np.float64]
    suspect: NDArray[np.bool_]


def count_votes(margins: NDArray[np.floating], agreement: float = 0.0) -> VoteCount:
    """Counts votes from margins of shape (pairs, voters); a margin of 0 is half a vote.

    Raises:
        ValueError: margins are not finite or have no voters, or `agreement` is not in [0, 0.5).
    """
    matrix = np.asarray(margins, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] == 0 or not np.isfinite(matrix).all():
        raise ValueError("margins must be finite, of shape (pairs, voters >= 1)")
    if not 0 <= agreement < 0.5:
        raise ValueError(f"agreement must be in [0, 0.5), not {agreement}")
    share = np.asarray((np.sign(matrix) / 2 + 0.5).mean(axis=1))
    return VoteCount(share, share <= agreement)
