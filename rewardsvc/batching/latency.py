"""Learns, while serving, how long a batch takes: a fixed part plus a part for each token.

Pure: no clock and no I/O. It predicts nothing until it has seen some batches, so that no
request is refused on a guess.
"""

from __future__ import annotations

import math
from statistics import median

WARM_UP_BATCHES = 2
"""The first batches pay for lazy loading and compilation; they are not learned from."""
SEED_BATCHES = 5
"""Batches gathered before the first prediction."""
FORGETTING = 0.95
"""Weight of the past at each batch: an effective memory of 20 batches."""
CHANGE_FACTOR = 2.0
"""As many batches in a row as make a seed, each off by this factor, mean that it has changed."""
OUTLIER_RESIDUALS = 3.0
"""A batch slower than predicted by more mean residuals than this is taken to be that slow."""
SEED_OUTLIER_FACTOR = 4.0


class LatencyModel:
    """Online least squares of batch seconds on (1, tokens) with exponential forgetting.

    Derived. Weighted means and centred moments are updated as in West (1979), and
    `seconds = fixed + per_token * tokens` is the least-squares line with both coefficients
    held at zero or above (of two coefficients at most one can be negative, and then the
    minimum lies where that one is zero). Two things are added:

    * The slope is multiplied by `b² / (b² + se(b)²)`: batches of nearly one size say nothing
      of other sizes, and a noisy slope must not make a larger batch look unreachable.
    * A batch that took much longer than predicted is learned as `OUTLIER_RESIDUALS` mean
      residuals slower only, so that a single stall hardly moves the line. Faster batches are
      learned as they are.
    * When `SEED_BATCHES` batches in a row took more than `CHANGE_FACTOR` times as long as
      predicted, or less than that part of it, the past is forgotten: the engine has changed.
    """

    __slots__ = (
        "_covariance",
        "_fit",
        "_mean_seconds",
        "_mean_tokens",
        "_residual",
        "_seed",
        "_seen",
        "_surprised_by_slower",
        "_surprises",
        "_variance",
        "_weight",
    )

    def __init__(self) -> None:
        self._seen = 0
        self._seed: list[tuple[float, float]] = []
        self._surprises: list[tuple[float, float]] = []
        self._surprised_by_slower = False
        self._weight = 0.0
        self._mean_tokens = 0.0
        self._mean_seconds = 0.0
        self._variance = 0.0
        self._covariance = 0.0
        self._residual = 0.0
        self._fit: tuple[float, float] | None = None

    @property
    def ready(self) -> bool:
        """Whether enough batches were seen to predict."""
        return self._seen >= WARM_UP_BATCHES + SEED_BATCHES

    def observe(self, tokens: float, seconds: float) -> None:
        """Learns from one batch of `tokens` that took `seconds`; nonsense is ignored."""
        if not (math.isfinite(tokens) and math.isfinite(seconds)) or tokens < 0 or seconds < 0:
            return
        self._seen += 1
        if self._seen <= WARM_UP_BATCHES:
            return
        if self._seen <= WARM_UP_BATCHES + SEED_BATCHES:
            self._seed.append((tokens, seconds))
            if self.ready:
                self._learn_seed(self._seed)
            return
        predicted = self.seconds(tokens)
        if self._has_changed(tokens, seconds, predicted):
            return
        residual = seconds - predicted
        limit = OUTLIER_RESIDUALS * self._residual + 0.1 * predicted
        if residual > limit:
            residual = limit
        self._learn(tokens, predicted + residual)
        self._residual += (1 - FORGETTING) * (abs(residual) - self._residual)

    def seconds(self, tokens: float) -> float:
        """Predicted seconds of one batch of `tokens`; 0.0 until `ready`."""
        fixed, per_token = self.coefficients()
        return fixed + per_token * tokens

    def coefficients(self) -> tuple[float, float]:
        """The line: (seconds, seconds per token), both at least 0.0; zeros until `ready`."""
        if not self.ready:
            return 0.0, 0.0
        fit = self._fit
        if fit is None:
            fit = self._fit = self._solve()
        return fit

    def _has_changed(self, tokens: float, seconds: float, predicted: float) -> bool:
        """Starts afresh after enough surprises in a row, all in one direction."""
        slower = seconds > CHANGE_FACTOR * predicted
        if not slower and seconds * CHANGE_FACTOR >= predicted:
            self._surprises.clear()
            return False
        if slower is not self._surprised_by_slower:
            self._surprises.clear()
            self._surprised_by_slower = slower
        self._surprises.append((tokens, seconds))
        if len(self._surprises) < SEED_BATCHES:
            return False
        self._weight = self._variance = self._covariance = 0.0
        self._mean_tokens = self._mean_seconds = 0.0
        self._learn_seed(self._surprises)
        return True

    def _learn_seed(self, seed: list[tuple[float, float]]) -> None:
        usual_seconds = median(seconds for _, seconds in seed)
        usual_tokens = median(tokens for tokens, _ in seed) or 1.0
        most = SEED_OUTLIER_FACTOR * usual_seconds
        capped = [(t, min(s, most * max(1.0, t / usual_tokens))) for t, s in seed]
        seed.clear()
        for tokens, seconds in capped:
            self._learn(tokens, seconds)
        self._residual = 0.0
        residuals = [abs(seconds - self.seconds(tokens)) for tokens, seconds in capped]
        self._residual = sum(residuals) / len(residuals)
        self._fit = None

    def _learn(self, tokens: float, seconds: float) -> None:
        self._weight = weight = FORGETTING * self._weight + 1.0
        off = tokens - self._mean_tokens
        self._mean_tokens += off / weight
        self._mean_seconds += (seconds - self._mean_seconds) / weight
        self._variance = FORGETTING * self._variance + off * (tokens - self._mean_tokens)
        self._covariance = FORGETTING * self._covariance + off * (seconds - self._mean_seconds)
        self._fit = None

    def _solve(self) -> tuple[float, float]:
        tokens, seconds = self._mean_tokens, self._mean_seconds
        # Less spread than rounding leaves behind: there is no slope to speak of.
        if self._variance <= 1e-12 * self._weight * tokens * tokens or self._covariance <= 0:
            return seconds, 0.0
        slope = self._covariance / self._variance
        # 1.57 = pi / 2: the variance of a normal residual from its mean absolute value.
        error = 1.57 * self._residual * self._residual / self._variance
        slope *= slope * slope / (slope * slope + error)
        fixed = seconds - slope * tokens
        if fixed >= 0:
            return fixed, slope
        about_zero = self._variance + self._weight * tokens * tokens
        return 0.0, (self._covariance + self._weight * tokens * seconds) / about_zero
