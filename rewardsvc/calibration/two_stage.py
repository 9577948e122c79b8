"""Two-stage calibration: a smooth index of the score, then the isotonic map of the index.

AutoCal-R's second mode (CJE, arXiv 2512.11150), for scores that do not order the labels
everywhere: cubic splines with ridge regression give the index, isotonic regression of the
labels on the index the probability. Here the splines are in the score's mid-rank, so that
outliers do not stretch them, and the index enters the isotonic step itself: its ranks would
give the same blocks. The composition is tabulated at up to 1,024 labelled scores and linear in
between; with no more distinct scores than that it keeps the mean of the labels.

The map may fall somewhere: a response with a lower score can then have the higher reward.
"""

from __future__ import annotations

import numpy as np

from rewardsvc.calibration.isotonic import fit_isotonic
from rewardsvc.calibration.maps import PiecewiseLinear
from rewardsvc.calibration.ranks import mid_ranks, thinned
from rewardsvc.calibration.sample import Array, Sample

__all__ = ["FEWEST_LABELS", "fit_two_stage"]

FEWEST_LABELS = 20
"""With fewer labels the map is the monotone one."""
_MOST_KNOTS = 8
_TABULATED = 1024


def fit_two_stage(sample: Sample) -> PiecewiseLinear:
    """The map from score to probability by way of the spline index."""
    x, places = np.unique(sample.scores, return_index=True)
    knots = min(_MOST_KNOTS, len(sample) // 4, len(x))
    if len(sample) < FEWEST_LABELS or knots < 3:
        return fit_isotonic(sample)
    index = _spline_index(sample, knots)
    outer = fit_isotonic(sample.with_(scores=index))
    kept = thinned(len(x), _TABULATED)
    return PiecewiseLinear(x[kept], outer(index[places[kept]]))


def _spline_index(sample: Sample, knots: int) -> Array:
    from sklearn.linear_model import RidgeCV  # heavy: only where a map is fitted
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import SplineTransformer

    ranks = mid_ranks(sample.scores)[:, None]
    regression = make_pipeline(
        SplineTransformer(n_knots=knots, degree=3, include_bias=False),
        RidgeCV(alphas=np.logspace(-3, 3, 13)),
    )
    regression.fit(ranks, sample.labels, ridgecv__sample_weight=sample.weights)
    # Ties must stay ties: rounding keeps the last bits of the solver from parting them.
    return np.asarray(np.round(regression.predict(ranks), 12), dtype=np.float64)
