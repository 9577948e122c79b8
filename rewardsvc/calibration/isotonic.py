"""Isotonic calibration: the monotone map from raw score to probability that fits labels best.

Fit: least squares under monotonicity by pool-adjacent-violators (scikit-learn's
IsotonicRegression with y in [0, 1]); this is AutoCal-R's monotone map (CJE,
arXiv 2512.11150). Every block's value is the mean of its labels, so the map keeps the mean
of the labels on the sample it was fitted on. Between blocks it is linear, outside constant.

Interval: for each block, the Jeffreys interval of its label mean at 90 %: the quantiles
0.05 and 0.95 of Beta(s + 1/2, n - s + 1/2) with s the labels' sum and n their number; 0 is
the lower end where s = 0 and 1 the upper end where s = n (Brown, Cai and DasGupta 2001).
Linear between blocks. It does not cover that the blocks themselves were chosen on the labels,
and holds for one score at a time.

Plateaus: within a block every score has one probability, so a trainer would see no difference
between its responses. `apply` therefore gives (1 - w) * probability + w * rank, with rank the
score's mid-rank in (0, 1) among the labelled scores and w = 1e-6: strictly increasing, within
[0, 1], and at most w away from the probability (derived).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.labels import LabelledScores
from rewardsvc.errors import ConfigError
from rewardsvc.types import Confidence

__all__ = ["MINIMUM_LABELS", "RANK_WEIGHT", "CalibrationFailed", "IsotonicCalibrator"]

Array = NDArray[np.float64]

MINIMUM_LABELS = 20
"""Fewer labels than this are refused: the steps of the map would be single labels."""
RANK_WEIGHT = 1e-6
_RANK_KNOTS = 512
_INTERVAL = 0.90


class CalibrationFailed(ConfigError):
    """The labels do not support a calibration; says why."""

    reason = "CALIBRATION_FAILED"


@dataclass(frozen=True, eq=False)
class IsotonicCalibrator:
    """A frozen isotonic map.

    `x` (increasing), `probability`, `lower` and `upper` have one shape (knots,): the first and
    last score of each block with its value and interval. `rank_x` (strictly increasing) and
    `rank` (strictly increasing, in (0, 1)) say where a score stands among the labelled ones.
    """

    x: Array
    probability: Array
    lower: Array
    upper: Array
    rank_x: Array
    rank: Array
    label_count: int

    method: ClassVar[str] = "isotonic"

    @classmethod
    def fit(cls, data: LabelledScores) -> IsotonicCalibrator:
        """Fits the map to at least MINIMUM_LABELS labelled scores, higher score meaning better.

        Raises:
            CalibrationFailed: too few labels, labels or scores that do not vary, or a scorer
                that does not order the labels or orders them the wrong way round.
        """
        _check_fittable(data)
        block = _pool(data)
        count = np.bincount(block).astype(np.float64)
        total = np.bincount(block, weights=data.labels).astype(np.float64)
        mean = total / count
        lower, upper = _jeffreys(total, count, mean)
        first = np.full(len(count), np.inf)
        last = np.full(len(count), -np.inf)
        np.minimum.at(first, block, data.scores)
        np.maximum.at(last, block, data.scores)
        # Both ends of each block; a block of one score has one knot.
        x, knots = np.unique(np.stack([first, last], axis=1).ravel(), return_index=True)
        of = knots // 2
        rank_x, rank = _rank_knots(data.scores)
        return cls(x, mean[of], lower[of], upper[of], rank_x, rank, len(data))

    def probabilities(self, scores: NDArray[np.floating]) -> Array:
        """The calibrated probability of each finite score, in [0, 1]; same shape."""
        return _interpolate(scores, self.x, self.probability)

    def apply(self, scores: NDArray[np.floating]) -> Array:
        """The reward of each finite score: its probability, ranked within plateaus; [0, 1]."""
        return (1 - RANK_WEIGHT) * self.probabilities(scores) + RANK_WEIGHT * self._ranks(scores)

    def confidences(self, scores: NDArray[np.floating]) -> list[Confidence]:
        """The probability of each of (samples,) finite scores, with its 90 % interval."""
        columns = (
            self.probabilities(scores),
            _interpolate(scores, self.x, self.lower),
            _interpolate(scores, self.x, self.upper),
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [Confidence(mean, lower, upper, self.method) for mean, lower, upper in rows]

    @property
    def version(self) -> str:
        """Hash of the map: equal maps have equal versions."""
        content = json.dumps([self.label_count, self._arrays()], sort_keys=True)
        return f"isotonic-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Everything `from_json` needs, as plain JSON."""
        return {
            "method": self.method,
            "version": self.version,
            "label_count": self.label_count,
            **self._arrays(),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> IsotonicCalibrator:
        """The calibrator that `to_json` wrote.

        Raises:
            ConfigError: the content is not such a calibrator, or was changed.
        """
        try:
            arrays = {name: np.array(content[name], dtype=np.float64) for name in _ARRAYS}
            calibrator = cls(**arrays, label_count=int(content["label_count"]))
            stated = content["version"]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"not an isotonic calibrator: {error!r}") from None
        if stated != calibrator.version:
            raise ConfigError(
                f"isotonic calibrator: version is {stated!r}, but its content's is "
                f"{calibrator.version!r}: it was changed after it was made"
            )
        return calibrator

    def _arrays(self) -> dict[str, list[float]]:
        return {name: getattr(self, name).tolist() for name in _ARRAYS}

    def _ranks(self, scores: NDArray[np.floating]) -> Array:
        """Mid-ranks in (0, 1); beyond the labelled scores they approach 0 and 1."""
        values = np.asarray(scores, dtype=np.float64)
        width = max(float(self.rank_x[-1] - self.rank_x[0]), np.finfo(np.float64).tiny)
        above = np.maximum(values - self.rank_x[-1], 0.0)
        below = np.maximum(self.rank_x[0] - values, 0.0)
        inside = np.interp(values, self.rank_x, self.rank)
        return np.asarray(
            inside
            + (1 - self.rank[-1]) * (above / (above + width))
            - self.rank[0] * (below / (below + width))
        )


_ARRAYS = ("x", "probability", "lower", "upper", "rank_x", "rank")


def _interpolate(scores: NDArray[np.floating], x: Array, y: Array) -> Array:
    return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), x, y))


def _check_fittable(data: LabelledScores) -> None:
    if len(data) < MINIMUM_LABELS:
        raise CalibrationFailed(f"{len(data)} labels; at least {MINIMUM_LABELS} are needed")
    for name, values in (("labels", data.labels), ("scores", data.scores)):
        if values.min() == values.max():
            raise CalibrationFailed(
                f"all {len(data)} {name} are {values[0]:g}; they must vary for a calibration"
            )
    correlation = float(np.corrcoef(_mid_ranks(data.scores), data.labels)[0, 1])
    if correlation <= 0:
        raise CalibrationFailed(
            "the scorer is inverted or says nothing: higher scores do not have higher labels "
            f"(correlation of score rank and label {correlation:.3f} over {len(data)} labels)"
        )


def _pool(data: LabelledScores) -> NDArray[np.intp]:
    """For each labelled score, the number of its block; blocks count up with the score."""
    from sklearn.isotonic import IsotonicRegression  # heavy: only where a map is fitted

    regression = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
    values = regression.fit(data.scores, data.labels).predict(data.scores)
    order = np.argsort(data.scores, kind="stable")
    rises = np.diff(values[order]) > 1e-12
    block = np.empty(len(data), dtype=np.intp)
    block[order] = np.concatenate([[0], np.cumsum(rises)])
    if not rises.any():
        raise CalibrationFailed(
            "the fit collapsed to a constant: no threshold on the score separates the "
            f"{len(data)} labels"
        )
    return block


def _jeffreys(total: Array, count: Array, mean: Array) -> tuple[Array, Array]:
    from scipy.stats import beta  # type: ignore[import-untyped]  # comes with scikit-learn

    tail = (1 - _INTERVAL) / 2
    a, b = total + 0.5, count - total + 0.5
    lower = np.where(total <= 0, 0.0, beta.ppf(tail, a, b))
    upper = np.where(total >= count, 1.0, beta.ppf(1 - tail, a, b))
    return np.minimum(lower, mean), np.maximum(upper, mean)


def _mid_ranks(scores: Array) -> Array:
    """Mid-rank of each score among all, in (0, 1); equal scores share theirs."""
    _, inverse, count = np.unique(scores, return_inverse=True, return_counts=True)
    middle = (np.cumsum(count) - count / 2) / len(scores)
    return np.asarray(middle[inverse])


def _rank_knots(scores: Array) -> tuple[Array, Array]:
    """At most _RANK_KNOTS distinct scores with their mid-ranks, the extremes among them."""
    x, where = np.unique(scores, return_index=True)
    rank = _mid_ranks(scores)[where]
    kept = np.unique(np.linspace(0, len(x) - 1, _RANK_KNOTS).round().astype(np.intp))
    return x[kept], rank[kept]
