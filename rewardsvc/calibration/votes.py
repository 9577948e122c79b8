"""How likely a response is right, given how many of a few judgements say so.

Jeffreys' Beta posterior: with c of n votes for "right", P ~ Beta(c + 1/2, n − c + 1/2), its
mean (c + 1/2) / (n + 1), and the 90 % interval from its quantiles 0.05 and 0.95; the lower end
is 0 when no vote is for it and the upper end 1 when all are (Brown, Cai and DasGupta, 2001).

It takes the votes as independent draws that are right more often than not. Votes of one model
are neither: they repeat its mistakes, so the interval is too narrow and the probability is one
of agreement rather than of truth. Only labels can tell how the two relate.
"""

from __future__ import annotations

from functools import lru_cache

from rewardsvc.types import Confidence

__all__ = ["METHOD", "confidence_from_votes"]

METHOD = "votes"
_TAIL = 0.05


@lru_cache(maxsize=4096)
def confidence_from_votes(agreeing: float, votes: float) -> Confidence:
    """The probability behind `agreeing` of `votes` votes, with a 90 % interval.

    Both may be fractional where votes are weighted; 0 votes give 0.5 with the widest interval.

    Raises:
        ValueError: unless 0 <= agreeing <= votes, both finite.
    """
    if not 0 <= agreeing <= votes < float("inf"):
        raise ValueError(f"{agreeing} of {votes} votes: must be 0 <= agreeing <= votes")
    from scipy.special import betaincinv  # loaded when first needed

    a, b = agreeing + 0.5, votes - agreeing + 0.5
    probability = a / (a + b)
    lower = 0.0 if agreeing == 0 else float(betaincinv(a, b, _TAIL))
    upper = 1.0 if agreeing == votes else float(betaincinv(a, b, 1 - _TAIL))
    return Confidence(probability, min(lower, probability), max(upper, probability), METHOD)
