"""From scores to results: calibrate, combine, and say why where there is no reward.

Pure functions on what the scorers returned. A sample's reward exists only if every
component has a score; otherwise the result carries the gravest component's status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate.combination import COMBINATIONS
from rewardsvc.types import (
    Component,
    Confidence,
    Group,
    GroupScores,
    Response,
    Result,
    Score,
    Status,
    Timing,
)

_GRAVITY = {
    Status.OK: 0,
    Status.TRUNCATED: 1,
    Status.ABSTAINED: 2,
    Status.TIMEOUT: 3,
    Status.ERROR: 4,
}


class Calibrator(Protocol):
    """A fitted map from raw scores to probabilities."""

    @property
    def version(self) -> str:
        """Changes when the map changes."""

    @property
    def method(self) -> str:
        """The calibration method's name."""

    def apply(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The rewards of some scores, shape (samples,) to (samples,): finite, in [0, 1]."""

    def confidences(self, scores: NDArray[np.float64]) -> Sequence[Confidence]:
        """The probability of each score with its interval."""


@dataclass(frozen=True, slots=True)
class Part:
    """How one scorer takes part in a reward."""

    name: str
    weight: float = 1.0
    calibrator: Calibrator | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a reward is made of its parts."""

    parts: tuple[Part, ...]
    combination: str
    confidence_from: str | None = None
    """The part whose confidence is the reward's; None: the only part that has one."""

    @property
    def is_plain(self) -> bool:
        """Whether the reward is one scorer's raw score, so that there is nothing to combine."""
        part = self.parts[0]
        return len(self.parts) == 1 and part.calibrator is None and part.weight == 1


def assemble(
    recipe: Recipe,
    groups: Sequence[Group],
    scores: Sequence[Sequence[GroupScores]],
    versions: Mapping[str, str],
) -> list[list[Result]]:
    """The results of some groups; `scores[k][g]` is what part k said of group g."""
    if recipe.is_plain:
        return [
            _plain(group, group_scores, versions)
            for group, group_scores in zip(groups, scores[0], strict=True)
        ]
    return _combined(recipe, groups, scores, versions)


def _plain(group: Group, scored: GroupScores, versions: Mapping[str, str]) -> list[Result]:
    timing = scored.timing
    return [
        Result(
            response.sample_id,
            score.status,
            score.reason,
            score.value,
            score.value,
            score.confidence,
            score.verdict,
            score.members,
            score.disagreement,
            score.steps,
            (),
            None,
            False,
            versions,
            timing,
        )
        for response, score in zip(group.responses, scored.scores, strict=True)
    ]


def _combined(
    recipe: Recipe,
    groups: Sequence[Group],
    scores: Sequence[Sequence[GroupScores]],
    versions: Mapping[str, str],
) -> list[list[Result]]:
    flat = [[score for group in part for score in group.scores] for part in scores]
    values = np.array(
        [[nan if score.value is None else score.value for score in part] for part in flat]
    ).T
    confidences = [[score.confidence for score in part] for part in flat]
    for column, part in enumerate(recipe.parts):
        if part.calibrator is not None:
            scored = np.flatnonzero(~np.isnan(values[:, column]))
            raw = values[scored, column]
            calibrated = part.calibrator.confidences(raw)
            for index, confidence in zip(scored.tolist(), calibrated, strict=True):
                confidences[column][index] = confidence
            values[scored, column] = part.calibrator.apply(raw)
    weights = np.array([part.weight for part in recipe.parts])
    with np.errstate(over="ignore", invalid="ignore"):
        rewards = COMBINATIONS[recipe.combination](values, weights).tolist()

    results: list[list[Result]] = []
    row = 0
    for index, group in enumerate(groups):
        timings = [part[index].timing for part in scores]
        group_results = []
        for response in group.responses:
            components = tuple(
                _component(part, flat[k][row], values[row, k], confidences[k][row], timings[k])
                for k, part in enumerate(recipe.parts)
            )
            group_results.append(
                _result(
                    recipe,
                    response,
                    [part[row] for part in flat],
                    components,
                    rewards[row],
                    versions,
                )
            )
            row += 1
        results.append(group_results)
    return results


def _component(
    part: Part, score: Score, value: float, confidence: Confidence | None, timing: Timing
) -> Component:
    return Component(
        part.name,
        score.status,
        score.reason,
        score.value,
        None if score.value is None else float(value),
        part.weight,
        confidence,
        timing,
        score.verdict,
        score.members,
        score.disagreement,
        score.steps,
    )


def _result(
    recipe: Recipe,
    response: Response,
    scores: Sequence[Score],
    components: tuple[Component, ...],
    reward: float,
    versions: Mapping[str, str],
) -> Result:
    single = len(scores) == 1
    status = max((score.status for score in scores), key=_GRAVITY.__getitem__)
    reason = "; ".join(
        score.reason if single else f"{component.name}: {score.reason}"
        for component, score in zip(components, scores, strict=True)
        if score.reason
    )
    if status.scored and not isfinite(reward):
        status, reason = Status.ERROR, "The combined reward is not a finite number."
    disagreements = [s.disagreement for s in scores if s.disagreement is not None]
    return Result(
        response.sample_id,
        status,
        reason,
        reward if status.scored else None,
        scores[0].value if single else None,
        _confidence(recipe, components) if status.scored else None,
        next((score.verdict for score in scores if score.verdict is not None), None),
        next((score.members for score in scores if score.members), ()),
        disagreements[0] if disagreements else None,
        next((score.steps for score in scores if score.steps), ()),
        () if single else components,
        None,
        False,
        versions,
        Timing(
            max(component.timing.queue_seconds for component in components),
            max(component.timing.inference_seconds for component in components),
        ),
    )


def _confidence(recipe: Recipe, components: Sequence[Component]) -> Confidence | None:
    """One part's confidence; how to combine several is not for this place to guess."""
    having = [
        component
        for component in components
        if component.confidence is not None and recipe.confidence_from in (None, component.name)
    ]
    return having[0].confidence if len(having) == 1 else None
