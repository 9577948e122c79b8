"""The forms that a map from score to probability takes, and their JSON.

Every method of calibration ends in one of three: a piecewise linear curve, a curve of
log-odds, or bins. A map is total on finite scores and its values lie in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.sample import Array

__all__ = ["FORMS", "Bins", "CalibrationMap", "LogOdds", "PiecewiseLinear", "map_from_json"]


class CalibrationMap(Protocol):
    """A map from raw scores to probabilities."""

    form: ClassVar[str]

    def __call__(self, scores: NDArray[np.floating]) -> Array:
        """The probability of each finite score, in [0, 1]; same shape."""

    @property
    def knots(self) -> Array:
        """Scores between which the map is smooth, increasing; may be empty."""

    def parameters(self) -> dict[str, Any]:
        """What makes the map again, as plain JSON."""


@dataclass(frozen=True, eq=False)
class PiecewiseLinear:
    """Linear between the knots (x, y), constant outside; x increases strictly."""

    x: Array
    y: Array
    form: ClassVar[str] = "piecewise_linear"

    def __post_init__(self) -> None:
        if self.x.ndim != 1 or self.x.shape != self.y.shape or not len(self.x):
            raise ValueError("x and y must have one shape (knots,), at least one knot")
        if not np.isfinite(self.x).all() or not (np.diff(self.x) > 0).all():
            raise ValueError("x must be finite and increase strictly")
        _check_probabilities("y", self.y)

    def __call__(self, scores: NDArray[np.floating]) -> Array:
        return np.asarray(np.interp(np.asarray(scores, dtype=np.float64), self.x, self.y))

    @property
    def knots(self) -> Array:
        return self.x

    def parameters(self) -> dict[str, Any]:
        return {"x": self.x.tolist(), "y": self.y.tolist()}


@dataclass(frozen=True, eq=False)
class LogOdds:
    """log-odds = intercept - left * softplus(-z) + right * softplus(z).

    z = (score - center) / scale, or its logit where `probabilities` says that scores are
    probabilities (then center is 0 and scale 1). With left = right this is left * z +
    intercept, so that Platt scaling and temperature are special cases of beta calibration.
    """

    left: float
    right: float
    intercept: float
    center: float = 0.0
    scale: float = 1.0
    probabilities: bool = False
    form: ClassVar[str] = "log_odds"

    def __post_init__(self) -> None:
        values = (self.left, self.right, self.intercept, self.center, self.scale)
        if not np.isfinite(values).all() or self.left < 0 or self.right < 0 or self.scale <= 0:
            raise ValueError(
                "log_odds must have finite parameters, left and right >= 0 and scale > 0"
            )

    def __call__(self, scores: NDArray[np.floating]) -> Array:
        z = self.standardised(scores)
        odds = self.intercept + self.right * np.logaddexp(0, z) - self.left * np.logaddexp(0, -z)
        return np.asarray(np.exp(-np.logaddexp(0, -odds)))

    def standardised(self, scores: NDArray[np.floating]) -> Array:
        """z of each score; finite."""
        values = np.asarray(scores, dtype=np.float64)
        if self.probabilities:
            clipped = np.clip(values, _SMALLEST, 1 - _SMALLEST)
            return np.asarray(np.log(clipped) - np.log1p(-clipped))
        with np.errstate(over="ignore"):
            return np.clip((values - self.center) / self.scale, -_LARGEST, _LARGEST)

    @property
    def knots(self) -> Array:
        return np.zeros(0)

    def parameters(self) -> dict[str, Any]:
        return {
            "left": self.left,
            "right": self.right,
            "intercept": self.intercept,
            "center": self.center,
            "scale": self.scale,
            "probabilities": self.probabilities,
        }


@dataclass(frozen=True, eq=False)
class Bins:
    """Constant within bins: `y[k]` for edges[k - 1] <= score < edges[k]."""

    edges: Array
    """(bins - 1,), strictly increasing."""
    y: Array
    form: ClassVar[str] = "bins"

    def __post_init__(self) -> None:
        if self.edges.ndim != 1 or self.y.shape != (len(self.edges) + 1,):
            raise ValueError("y must have one entry more than edges")
        if not np.isfinite(self.edges).all() or not (np.diff(self.edges) > 0).all():
            raise ValueError("edges must be finite and increase strictly")
        _check_probabilities("y", self.y)

    def __call__(self, scores: NDArray[np.floating]) -> Array:
        values = np.asarray(scores, dtype=np.float64)
        return np.asarray(self.y[np.searchsorted(self.edges, values, side="right")])

    @property
    def knots(self) -> Array:
        return np.unique(np.concatenate([np.nextafter(self.edges, -np.inf), self.edges]))

    def parameters(self) -> dict[str, Any]:
        return {"edges": self.edges.tolist(), "y": self.y.tolist()}


FORMS: Mapping[str, type[Any]] = MappingProxyType(
    {form.form: form for form in (PiecewiseLinear, LogOdds, Bins)}
)
_SMALLEST = 1e-12
_LARGEST = 1e9


def map_from_json(form: str, parameters: Mapping[str, Any]) -> CalibrationMap:
    """The map that `parameters` of this form describe.

    Raises:
        ValueError: an unknown form, missing or unknown parameters, or values out of range.
    """
    if form not in FORMS:
        raise ValueError(f"form is {form!r}; allowed: {', '.join(FORMS)}")
    kind = FORMS[form]
    names = {field.name for field in fields(kind)}
    if set(parameters) != names:
        raise ValueError(f"{form} has the parameters {sorted(names)}, not {sorted(parameters)}")
    made: CalibrationMap = kind(
        **{
            name: np.array(value, dtype=np.float64) if isinstance(value, list) else value
            for name, value in parameters.items()
        }
    )
    return made


def _check_probabilities(name: str, values: Array) -> None:
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"{name} must be in [0, 1]")
