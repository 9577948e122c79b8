"""Rates of narrow cells, drawn towards the wider cell around them by as much as data say.

Empirical Bayes: the rates of sibling cells are taken as draws of Beta(k m, k (1 - m)) around
the parent's rate m. k, how alike siblings are in units of labels, comes from the spread of
their rates by the method of moments: spread beyond sampling s^2 = sum n (r - m)^2 / sum n -
the sampling part, k = m (1 - m) / s^2 - 1, kept between 2 and 200 labels, and 10 while there
are fewer than three siblings to learn from. A cell with rate r of n effective labels then has
the posterior Beta(n r + k m, n (1 - r) + k (1 - m)): its mean is the rate, its quantiles the
interval. k is at most the parent's own labels. Not covered: that m is itself an estimate, and
that it has seen the cell's labels too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from rewardsvc.noise.estimate import NoiseCell
from rewardsvc.noise.rates import RateEstimate

__all__ = ["prior_labels", "shrink", "shrunk_rate"]

_Key = tuple[str, str, str]
_DEFAULT_PRIOR = 10.0
_SMALLEST_PRIOR, _LARGEST_PRIOR = 2.0, 200.0
_FEWEST_SIBLINGS = 3


def shrink(
    cells: Mapping[_Key, tuple[RateEstimate, RateEstimate]],
    wider: Sequence[NoiseCell],
    level: float,
) -> list[NoiseCell]:
    """Cells from their own (false positive, false negative) rates and the cells around them.

    The parent of (stage, answer type, domain) is (stage, answer type), then stage, then all.
    """
    known = {cell.key: cell for cell in wider}
    siblings: dict[_Key, list[_Key]] = {}
    for key in cells:
        siblings.setdefault(_parent(key, known), []).append(key)
    made = []
    for parent_key, keys in siblings.items():
        parent = known[parent_key]
        above = (parent.false_positive_rate, parent.false_negative_rate)
        priors = [
            prior_labels([cells[key][which] for key in keys], above[which]) for which in (0, 1)
        ]
        for key in keys:
            false_positive_rate, false_negative_rate = (
                shrunk_rate(cells[key][which], above[which].rate, priors[which], level)
                for which in (0, 1)
            )
            made.append(
                NoiseCell(
                    false_positive_rate,
                    false_negative_rate,
                    *key,
                    borrowed=_in_words(cells[key], priors, parent_key),
                )
            )
    return made


def prior_labels(siblings: Sequence[RateEstimate], parent: RateEstimate) -> float:
    """k: how many labels of the parent each of its children is given."""
    seen = [rate for rate in siblings if rate.labels > 0]
    most = max(min(_LARGEST_PRIOR, parent.labels), _SMALLEST_PRIOR)
    center = (parent.rate * parent.labels + 0.5) / (parent.labels + 1)
    if len(seen) < _FEWEST_SIBLINGS:
        return min(_DEFAULT_PRIOR, most)
    size = np.array([rate.labels for rate in seen])
    rates = np.array([rate.rate for rate in seen])
    spread = float(size @ (rates - center) ** 2 / size.sum())
    sampling = len(seen) * center * (1 - center) / float(size.sum())
    excess = spread - sampling
    if excess <= 0:
        return most
    return float(min(most, max(_SMALLEST_PRIOR, center * (1 - center) / excess - 1)))


def shrunk_rate(own: RateEstimate, center: float, prior: float, level: float) -> RateEstimate:
    """The posterior rate of a cell with its own estimate, drawn to `center` by `prior` labels."""
    from scipy.special import betaincinv

    total = own.labels + prior
    rate = (own.rate * own.labels + center * prior) / total
    # Half a label each way keeps a rate that was never seen off 0 from being certain.
    a, b = rate * total + 0.5, (1 - rate) * total + 0.5
    tail = (1 - level) / 2
    lower, upper = float(betaincinv(a, b, tail)), float(betaincinv(a, b, 1 - tail))
    return RateEstimate(
        rate,
        0.0 if rate <= 0 else min(lower, rate),
        1.0 if rate >= 1 else max(upper, rate),
        total,
    )


def _parent(key: _Key, known: Mapping[_Key, NoiseCell]) -> _Key:
    stage, answer_type, _ = key
    for candidate in ((stage, answer_type, ""), (stage, "", ""), ("", answer_type, "")):
        if candidate != key and candidate in known:
            return candidate
    return "", "", ""


def _in_words(own: tuple[RateEstimate, RateEstimate], priors: Sequence[float], parent: _Key) -> str:
    around = " and ".join(part for part in parent if part) or "all samples"
    return (
        f"{own[0].labels:.0f} wrong and {own[1].labels:.0f} right responses' worth of its own, "
        f"{priors[0]:.0f} and {priors[1]:.0f} labels' worth of {around}"
    )
