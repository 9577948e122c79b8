"""Watches one reward while it serves, for signs that a policy has learned to game it.

A policy that games a reward moves what the reward sees: scores and lengths drift away from
what it was calibrated on, an ensemble's members begin to disagree, and audits agree less and
less with the score. Each is one figure with a threshold; none proves anything, all are cheap.
At most 16 samples a request are looked at.
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

_MOST_A_REQUEST = 16
_MOST_WAITING = 512
_FIGURES = ("reward_drift", "length_drift", "confidence_drift", "disagreement_growth")
_LEAST_TO_JUDGE = 100
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


def _nothing() -> Mapping[str, NDArray[np.float64]]:
    return {}


class _Figure:
    """One figure's numbers. Those of the latest requests wait in a plain list: putting few
    numbers into arrays costs more than all else on the way of a small request."""

    def __init__(self, settings: MonitoringSettings) -> None:
        self._baseline = Baseline(settings.baseline)
        self._window = Window(settings.window)
        self._waiting: list[float] = []

    def add(self, values: list[float]) -> None:
        self._waiting += values
        if len(self._waiting) > _MOST_WAITING:
            self._settle()

    @property
    def first(self) -> NDArray[np.float64] | None:
        """The first samples; None while there are too few."""
        self._settle()
        return self._baseline.values

    @property
    def latest(self) -> NDArray[np.float64]:
        """The latest samples after the first."""
        self._settle()
        return self._window.values

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._window.extend(self._baseline.extend(waiting))


class RewardWatcher:
    """Figures of one reward.

    `references` says, by figure (`reward_drift`, `confidence_drift`), what was seen in the set
    that the reward is calibrated on; it is asked whenever the figures are read, as calibrators
    change. A figure without a reference is compared with the first samples served.
    """

    def __init__(self, settings: MonitoringSettings, references: References = _nothing) -> None:
        self._settings = settings
        self._references = references
        self._figures = {name: _Figure(settings) for name in _FIGURES}
        self._audited = Window(settings.window), Window(settings.window)
        self._lock = threading.Lock()

    def observe(self, groups: Sequence[Group], results: Sequence[Sequence[Result]]) -> None:
        """Takes note of some results."""
        seen: list[Result] = []
        lengths: list[float] = []
        for group, group_results in zip(groups, results, strict=True):
            left = _MOST_A_REQUEST - len(seen)
            if left <= 0:
                break
            seen += group_results[:left]
            lengths += [
                float(len(text))
                for response in group.responses[:left]
                if isinstance(text := response.text, str)
            ]
        rewards = [result.reward for result in seen if result.reward is not None]
        confidences = [r.confidence.probability for r in seen if r.confidence is not None]
        disagreements = [r.disagreement for r in seen if r.disagreement is not None]
        with self._lock:
            figures = self._figures
            figures["length_drift"].add(lengths)
            if rewards:
                figures["reward_drift"].add(rewards)
            if confidences:
                figures["confidence_drift"].add(confidences)
            if disagreements:
                figures["disagreement_growth"].add(disagreements)

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
        first, latest = figure.first, figure.latest
        reference = first if calibrated is None else calibrated
        if first is None and len(latest) == 0:
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
