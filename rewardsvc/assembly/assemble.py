"""From scores to results: calibrate, correct, shape, combine, and say why there is no reward.

Pure functions on what the scorers returned. A sample's reward exists only if every
component has a part; otherwise the result carries the gravest component's status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from rewardsvc.aggregate.combination import COMBINATIONS
from rewardsvc.assembly.cells import Cell, cells_of, missing_from, numbers, view_of, with_rewards
from rewardsvc.assembly.recipe import Recipe
from rewardsvc.calibration.combined import CONFIDENCE_RULES
from rewardsvc.shaping import shape_group
from rewardsvc.types import (
    Component,
    Confidence,
    Group,
    GroupScores,
    Response,
    Result,
    Status,
    Timing,
)

__all__ = ["Circumstances", "assemble"]

_GRAVITY = {
    Status.OK: 0,
    Status.TRUNCATED: 1,
    Status.ABSTAINED: 2,
    Status.TIMEOUT: 3,
    Status.ERROR: 4,
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What came with a request and is needed to make its results."""

    batch_id: str = ""
    attribute_weights: Mapping[str, float] | None = None
    stated_confidences: Sequence[Sequence[float | None]] | None = None
    """What each response says of its confidence, group by group."""


_PLAIN = Circumstances()


def assemble(
    recipe: Recipe,
    groups: Sequence[Group],
    scores: Sequence[Sequence[GroupScores]],
    versions: dict[str, str],
    circumstances: Circumstances = _PLAIN,
) -> list[list[Result]]:
    """The results of some groups; `scores[k][g]` is what part k said of group g.

    Adds the versions of the calibrators and noise estimates that were used to `versions`,
    which every result holds.
    """
    if recipe.is_plain and not circumstances.attribute_weights:
        return [
            _plain(group, group_scores, versions)
            for group, group_scores in zip(groups, scores[0], strict=True)
        ]
    return _combined(recipe, groups, scores, versions, circumstances)


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
            score.evidence,
        )
        for response, score in zip(group.responses, scored.scores, strict=True)
    ]


def _combined(
    recipe: Recipe,
    groups: Sequence[Group],
    scores: Sequence[Sequence[GroupScores]],
    versions: dict[str, str],
    circumstances: Circumstances,
) -> list[list[Result]]:
    weights = np.array([part.weight for part in recipe.parts])
    columns = [
        cells_of(
            part,
            groups,
            part_scores,
            versions,
            circumstances.batch_id,
            circumstances.attribute_weights or {},
        )
        for part, part_scores in zip(recipe.parts, scores, strict=True)
    ]
    results = []
    for index, group in enumerate(groups):
        rows = list(zip(*(column[index] for column in columns), strict=True))
        values = np.array([numbers([cell.reward for cell in row]) for row in rows])
        with np.errstate(over="ignore", invalid="ignore"):
            rewards = COMBINATIONS[recipe.combination](values, weights).tolist()
        group_results = [
            _result(recipe, response, row, reward, versions)
            for response, row, reward in zip(group.responses, rows, rewards, strict=True)
        ]
        if recipe.shaping:
            stated = circumstances.stated_confidences
            _shape(
                recipe,
                group,
                rows,
                group_results,
                () if stated is None else stated[index],
                circumstances.batch_id,
            )
        results.append(group_results)
    return results


def _result(
    recipe: Recipe,
    response: Response,
    row: Sequence[Cell],
    reward: float,
    versions: Mapping[str, str],
) -> Result:
    single = len(row) == 1
    components = tuple(cell.component(part) for part, cell in zip(recipe.parts, row, strict=True))
    status = max((cell.status for cell in row), key=_GRAVITY.__getitem__)
    reason = "; ".join(
        component.reason if single else f"{component.name}: {component.reason}"
        for component in components
        if component.reason
    )
    if status.scored and not isfinite(reward):
        status, reason = Status.ERROR, "The combined reward is not a finite number."
    confidence = _confidence(recipe, components) if status.scored else None
    if status.scored and recipe.abstain_below is not None:
        status, reason = _select(confidence, recipe.abstain_below, status, reason)
    first = components[0]
    noises = [component.noise for component in components if component.noise is not None]
    return Result(
        response.sample_id,
        status,
        reason,
        reward if status.scored else None,
        first.score if single else None,
        confidence,
        next((c.verdict for c in components if c.verdict is not None), None),
        next((c.members for c in components if c.members), ()),
        next((c.disagreement for c in components if c.disagreement is not None), None),
        next((c.steps for c in components if c.steps), ()),
        () if single else components,
        noises[0] if len(noises) == 1 else None,
        recipe.do_not_group_normalise,
        versions,
        Timing(
            max(component.timing.queue_seconds for component in components),
            max(component.timing.inference_seconds for component in components),
        ),
        next((c.evidence for c in components if c.evidence is not None), None),
        first.shaping if single else (),
    )


def _select(
    confidence: Confidence | None, threshold: float, status: Status, reason: str
) -> tuple[Status, str]:
    if confidence is None:
        return Status.ABSTAINED, "there is no confidence to select by"
    if confidence.probability < threshold:
        said = f"confidence {confidence.probability:.3g} is below {threshold:g}"
        return Status.ABSTAINED, said
    return status, reason


def _shape(
    recipe: Recipe,
    group: Group,
    rows: Sequence[Sequence[Cell]],
    results: list[Result],
    stated: Sequence[float | None],
    batch_id: str,
) -> None:
    view = view_of(
        group,
        numbers([result.reward for result in results]),
        {
            part.name: numbers([row[k].reward for row in rows])
            for k, part in enumerate(recipe.parts)
        },
        [result.verdict for result in results],
        [result.confidence for result in results],
        [result.steps for result in results],
        stated,
        batch_id,
    )
    account = shape_group(recipe.shaping, view, missing_from(group))
    for place, result in enumerate(results):
        result.shaping = (*result.shaping, *account.terms[place])
        if place in account.reasons:
            result.status, result.reward = Status.ABSTAINED, None
            result.reason, result.confidence = account.reasons[place], None
        elif result.reward is not None:
            result.reward = float(account.rewards[place])
            result.steps = with_rewards(result.steps, account.steps, place)


def _confidence(recipe: Recipe, components: Sequence[Component]) -> Confidence | None:
    """One part's confidence, or what the configured rule makes of all."""
    if recipe.confidence_rule is not None:
        parts = [c.confidence for c in components if c.confidence is not None]
        if len(parts) < len(components):
            return None
        return CONFIDENCE_RULES[recipe.confidence_rule](parts)
    having = [
        component
        for component in components
        if component.confidence is not None and recipe.confidence_from in (None, component.name)
    ]
    return having[0].confidence if len(having) == 1 else None
