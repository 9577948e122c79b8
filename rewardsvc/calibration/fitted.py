"""A fitted calibrator: what a score means, how sure that is, and what it rests on.

Whatever the method, the result is this one immutable value. It turns scores into rewards and
confidences without the labels, and goes to plain JSON and back, strictly: a schema name,
exactly the known keys, finite numbers, and a version that is the hash of the content, so that
what was changed after it was made is refused. No pickle.

Plateaus: where the map is flat a trainer would see no difference between responses. `apply`
gives (1 - w) * probability + w * rank, w = 1e-6 and rank the score's mid-rank in (0, 1) among
the labelled ones: within [0, 1], at most w away from the probability, and strictly increasing
wherever the map does not fall (derived).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.maps import CalibrationMap, PiecewiseLinear, map_from_json
from rewardsvc.calibration.sample import Array
from rewardsvc.errors import ConfigError
from rewardsvc.strict_json import StrictReader
from rewardsvc.types import Confidence

__all__ = ["RANK_WEIGHT", "SCHEMA", "CurvePoint", "FittedCalibrator", "shift_log_odds"]

SCHEMA = "rewardsvc.calibrator/1"
RANK_WEIGHT = 1e-6
_SMALLEST = 1e-6
_CURVE_POINTS = 101


class CurvePoint(NamedTuple):
    """One point of the calibration curve; `lower` and `upper` are the 90 % interval's ends."""

    score: float
    probability: float
    lower: float
    upper: float


@dataclass(frozen=True, eq=False)
class FittedCalibrator:
    """A frozen map from raw score to probability with its interval, quality and provenance.

    `band_x` (increasing), `band_lower` and `band_upper` have one shape (points,): the 90 %
    interval, linear in between. `rank` says where a score stands among the labelled ones.
    """

    method: str
    map: CalibrationMap
    rank: PiecewiseLinear
    band_x: Array
    band_lower: Array
    band_upper: Array
    domain: str = ""
    """The domain it is for; empty: all."""
    fallback: str = ""
    """What stands in for a fit on the domain's labels alone, and why; empty: nothing does."""
    shift: float = 0.0
    """Added to the map's log-odds: how the domain differs from all domains."""
    labels: int = 0
    clusters: int = 0
    domain_labels: int = 0
    sources: Mapping[str, int] = field(default_factory=dict)
    """Labels by source."""
    details: Mapping[str, str] = field(default_factory=dict)
    """What the method chose on its way, e.g. `chosen: monotone`."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Quality on held-out folds; None where undefined, then `undefined` says why."""
    undefined: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    fitted_at: str = ""
    """ISO 8601, with time zone; whoever fits says it. Not part of the version."""

    def probabilities(self, scores: NDArray[np.floating]) -> Array:
        """The calibrated probability of each finite score, in [0, 1]; same shape."""
        return shift_log_odds(self.map(scores), self.shift)

    def apply(self, scores: NDArray[np.floating]) -> Array:
        """The reward of each finite score: its probability, ranked within plateaus; [0, 1]."""
        return (1 - RANK_WEIGHT) * self.probabilities(scores) + RANK_WEIGHT * self._ranks(scores)

    def confidences(self, scores: NDArray[np.floating]) -> list[Confidence]:
        """The probability of each of (samples,) finite scores, with its 90 % interval."""
        columns = self._with_interval(np.asarray(scores, dtype=np.float64))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return [Confidence(mean, lower, upper, self.method) for mean, lower, upper in rows]

    @property
    def curve(self) -> tuple[CurvePoint, ...]:
        """The map at no more than 101 of the interval's points, by ascending score."""
        kept = np.linspace(0, len(self.band_x) - 1, min(_CURVE_POINTS, len(self.band_x)))
        x = self.band_x[np.unique(kept.round().astype(np.intp))]
        columns = (x, *self._with_interval(x))
        rows = zip(*(column.tolist() for column in columns), strict=True)
        return tuple(CurvePoint(*row) for row in rows)

    @property
    def version(self) -> str:
        """Method and hash of all content but `fitted_at`: equal fits have equal versions."""
        content = {key: value for key, value in self._content().items() if key != "fitted_at"}
        canonical = json.dumps(content, sort_keys=True, allow_nan=False)
        return f"{self.method}-{hashlib.sha256(canonical.encode()).hexdigest()[:12]}"

    def to_json(self) -> dict[str, Any]:
        """Everything `from_json` needs, as plain JSON."""
        return {"schema": SCHEMA, "version": self.version, **self._content()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> FittedCalibrator:
        """The calibrator that `to_json` wrote.

        Raises:
            ConfigError: the content is not such a calibrator, or was changed; names the key.
        """
        reader = StrictReader(content, "calibrator", SCHEMA)
        reader.only({"schema", "version", *_KEYS})
        try:
            calibrator = cls(
                method=reader.text("method"),
                map=map_from_json(reader.text("form"), reader.mapping("map")),
                rank=PiecewiseLinear(**{k: reader.array("rank", k) for k in ("x", "y")}),
                band_x=reader.array("band", "x"),
                band_lower=reader.array("band", "lower"),
                band_upper=reader.array("band", "upper"),
                domain=reader.text("domain"),
                fallback=reader.text("fallback"),
                shift=reader.number("shift"),
                labels=reader.count("labels"),
                clusters=reader.count("clusters"),
                domain_labels=reader.count("domain_labels"),
                sources=reader.counts("sources"),
                details=reader.texts("details"),
                metrics=reader.numbers_or_none("metrics"),
                undefined=reader.texts("undefined"),
                warnings=reader.lines("warnings"),
                fitted_at=reader.text("fitted_at"),
            )
            calibrator._check()
        except (TypeError, ValueError) as error:
            raise ConfigError(f"calibrator: {error}") from None
        if reader.text("version") != calibrator.version:
            raise ConfigError(
                f"calibrator: version is {reader.text('version')!r}, but its content's is "
                f"{calibrator.version!r}: it was changed after it was made"
            )
        return calibrator

    def _content(self) -> dict[str, Any]:
        return {
            "form": self.map.form,
            "map": self.map.parameters(),
            "rank": self.rank.parameters(),
            "band": {
                "x": self.band_x.tolist(),
                "lower": self.band_lower.tolist(),
                "upper": self.band_upper.tolist(),
            },
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: dict(getattr(self, name)) for name in _MAPPINGS},
            "warnings": list(self.warnings),
        }

    def _check(self) -> None:
        band = (self.band_x, self.band_lower, self.band_upper)
        if len({column.shape for column in band}) != 1 or not len(self.band_x):
            raise ValueError("band: x, lower and upper must have one shape (points,)")
        if not (np.diff(self.band_x) > 0).all():
            raise ValueError("band: x must increase strictly")
        if not ((self.band_lower >= 0) & (self.band_upper <= 1)).all():
            raise ValueError("band: lower and upper must be in [0, 1]")
        if not (self.band_lower <= self.band_upper).all():
            raise ValueError("band: lower must not exceed upper")
        if self.fitted_at:
            datetime.fromisoformat(self.fitted_at)

    def _with_interval(self, scores: Array) -> tuple[Array, Array, Array]:
        probability = self.probabilities(scores)
        lower = np.interp(scores, self.band_x, self.band_lower)
        upper = np.interp(scores, self.band_x, self.band_upper)
        return probability, np.minimum(lower, probability), np.maximum(upper, probability)

    def _ranks(self, scores: NDArray[np.floating]) -> Array:
        """Ranks in (0, 1); beyond the labelled scores they approach the end they are at."""
        values = np.asarray(scores, dtype=np.float64)
        x, y = self.rank.x, self.rank.y
        width = max(float(x[-1] - x[0]), float(np.finfo(np.float64).tiny))
        with np.errstate(over="ignore"):
            above = np.maximum(values - x[-1], 0.0) / width
            below = np.maximum(x[0] - values, 0.0) / width
        return np.asarray(
            self.rank(values) + (1 - y[-1]) * _saturated(above) - y[0] * _saturated(below)
        )


_MAPPINGS = ("sources", "details", "metrics", "undefined")
_PLAIN = (
    "method",
    "domain",
    "fallback",
    "shift",
    "labels",
    "clusters",
    "domain_labels",
    "fitted_at",
)
_KEYS = {
    "form",
    "band",
    *(each.name for each in fields(FittedCalibrator) if not each.name.startswith("band")),
}


def shift_log_odds(probability: Array, shift: float) -> Array:
    """Probabilities in [0, 1] with `shift` added to their log-odds; 0 changes nothing.

    Values nearer to 0 or 1 than 1e-6 are taken as 1e-6 away, so that they can move.
    """
    if shift == 0:
        return probability
    clipped = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    odds = np.log(clipped) - np.log1p(-clipped) + shift
    return np.asarray(np.exp(-np.logaddexp(0, -odds)))


def _saturated(distance: Array) -> Array:
    """distance / (1 + distance): from 0 at 0 towards 1; infinity gives 1."""
    return 1 - 1 / (1 + distance)
