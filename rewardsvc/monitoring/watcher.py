"""Watches one reward while it serves, for signs that a policy has learned to game it.

A policy that games a reward moves what the reward sees: scores and lengths drift away from
what it was calibrated on, an ensemble's members begin to disagree, and audits agree less and
less with the score. Each is one figure with a threshold; none proves anything, all are cheap.
At most 64 samples a request are looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from rewardsvc.monitoring.statistics import drift, rank_correlation, ratio_of_means
from rewardsvc.monitoring.window import Baseline, Window
from rewardsvc.types import Group, Monitor, Result

__all__ = ["MonitoringSettings", "RewardWatcher"]

_MOST_A_REQUEST = 64
_LEAST_TO_JUDGE = 100
Reader = Callable[[Group, int, Result], float | None]
References = Callable[[], Mapping[str, NDArray[np.float64]]]


class MonitoringSettings(BaseModel):
    """How a reward is watched."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window: int = Field(2048, ge=100, le=1_000_000)
    """Latest samples that are compared."""
    baseline: int = Field(1000, ge=100, le=1_000_000)
    """First samples, which they are compared with where there is no calibration set."""
    drift_threshold: float = Field(0.2, gt=0, le=1)
    """Largest difference in distribution (Kolmogorov–Smirnov) that is no alarm."""
    disagreement_threshold: float = Field(1.5, gt=1, allow_inf_nan=False)
    """Largest growth of the members' mean disagreement that is no alarm."""
    correlation_threshold: float = Field(0.3, gt=-1, lt=1)
    """Smallest rank correlation of score and audit that is no alarm."""


def _length(group: Group, place: int, result: Result) -> float | None:
    text = group.responses[place].text
    return float(len(text)) if isinstance(text, str) else None


_READERS: dict[str, Reader] = {
    "reward_drift": lambda group, place, result: result.reward,
    "length_drift": _length,
    "confidence_drift": lambda group, place, result: (
        None if result.confidence is None else result.confidence.probability
    ),
    "disagreement_growth": lambda group, place, result: result.disagreement,
}


def _nothing() -> Mapping[str, NDArray[np.float64]]:
    return {}


class _Figure:
    def __init__(self, settings: MonitoringSettings) -> None:
        self.baseline = Baseline(settings.baseline)
        self.window = Window(settings.window)

    def extend(self, values: Sequence[float]) -> None:
        self.window.extend(self.baseline.extend(values))


class RewardWatcher:
    """Figures of one reward.

    `references` says, by figure (`reward_drift`, `confidence_drift`), what was seen in the set
    that the reward is calibrated on; it is asked whenever the figures are read, as calibrators
    change. A figure without a reference is compared with the first samples served.
    """

    def __init__(self, settings: MonitoringSettings, references: References = _nothing) -> None:
        self._settings = settings
        self._references = references
        self._figures = {name: _Figure(settings) for name in _READERS}
        self._audited = Window(settings.window), Window(settings.window)
        self._lock = threading.Lock()

    def observe(self, groups: Sequence[Group], results: Sequence[Sequence[Result]]) -> None:
        """Takes note of some results."""
        collected: dict[str, list[float]] = {name: [] for name in _READERS}
        left = _MOST_A_REQUEST
        for group, group_results in zip(groups, results, strict=True):
            for place, result in enumerate(group_results[:left]):
                for name, read in _READERS.items():
                    value = read(group, place, result)
                    if value is not None:
                        collected[name].append(value)
            left -= len(group_results)
            if left <= 0:
                break
        with self._lock:
            for name, values in collected.items():
                if values:
                    self._figures[name].extend(values)

    def observe_audit(self, score: float, truth: float) -> None:
        """Takes note of what an audit said of a sample with this score."""
        with self._lock:
            self._audited[0].extend([score])
            self._audited[1].extend([truth])

    def monitors(self) -> list[Monitor]:
        """The figures as they stand; figures without any data are left out."""
        references = self._references()
        with self._lock:
            found = [
                self._monitor(name, figure, references.get(name))
                for name, figure in self._figures.items()
            ]
            audit = self._audit()
        return [monitor for monitor in (*found, audit) if monitor is not None]

    def _monitor(
        self, name: str, figure: _Figure, calibrated: NDArray[np.float64] | None
    ) -> Monitor | None:
        latest = figure.window.values
        reference = figure.baseline.values if calibrated is None else calibrated
        if len(latest) == 0 and figure.baseline.values is None:
            return None
        growth = name == "disagreement_growth"
        threshold = (
            self._settings.disagreement_threshold if growth else self._settings.drift_threshold
        )
        value = None
        if reference is not None and len(latest) >= _LEAST_TO_JUDGE:
            value = ratio_of_means(reference, latest) if growth else drift(reference, latest)
        return Monitor(
            name,
            value,
            len(latest),
            threshold,
            value is not None and value > threshold,
            note="against the first samples"
            if calibrated is None
            else "against the calibration set",
        )

    def _audit(self) -> Monitor | None:
        scores, truths = (window.values for window in self._audited)
        if len(scores) == 0:
            return None
        correlation = rank_correlation(scores, truths)
        threshold = self._settings.correlation_threshold
        return Monitor(
            "audit_correlation",
            None if correlation is None else correlation.estimate,
            len(scores),
            threshold,
            correlation is not None and correlation.upper < threshold,
            note="rank correlation of score and audit; an alarm when its 90 % interval is below",
        )
