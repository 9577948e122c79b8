"""One scorer's part in a reward: calibrate, correct, shape. Pure functions on its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np
from numpy.typing import NDArray

from rewardsvc.assembly.recipe import Calibrator, Part
from rewardsvc.calibration.disagreement import with_disagreement
from rewardsvc.shaping import GroupView, shape_group
from rewardsvc.types import (
    Component,
    Confidence,
    Group,
    GroupScores,
    Noise,
    Outcome,
    Score,
    ShapingTerm,
    Status,
    Step,
    Timing,
    Verdict,
)

__all__ = ["Cell", "cells_of", "correctness", "step_scores", "view_of"]


@dataclass(slots=True)
class Cell:
    """What one scorer's score of one sample has become so far."""

    score: Score
    status: Status
    reason: str
    reward: float | None
    confidence: Confidence | None
    timing: Timing
    noise: Noise | None = None
    shaping: tuple[ShapingTerm, ...] = ()
    steps: tuple[Step, ...] = ()

    def withhold(self, status: Status, reason: str) -> None:
        """Takes the reward away."""
        self.status, self.reason, self.reward = status, reason, None

    def component(self, part: Part) -> Component:
        """The cell as a result shows it."""
        score = self.score
        return Component(
            part.name,
            self.status,
            self.reason,
            score.value,
            self.reward,
            part.weight,
            self.confidence,
            self.timing,
            score.verdict,
            score.members,
            score.disagreement,
            self.steps,
            score.evidence,
            self.shaping,
            self.noise,
        )


def cells_of(
    part: Part,
    groups: Sequence[Group],
    scores: Sequence[GroupScores],
    versions: dict[str, str],
    batch_id: str,
    attribute_weights: Mapping[str, float],
) -> list[list[Cell]]:
    """One part's cells, group by group; adds the calibrators that were used to `versions`."""
    cells = [
        [_cell(score, scored.timing, attribute_weights) for score in scored.scores]
        for scored in scores
    ]
    if part.calibrators is not None:
        _calibrate(part, groups, cells, versions)
    if part.noise is not None:
        _correct(part, groups, cells, versions)
    if part.shaping:
        for group, row in zip(groups, cells, strict=True):
            _shape(part, group, row, batch_id)
    return cells


def _cell(score: Score, timing: Timing, attribute_weights: Mapping[str, float]) -> Cell:
    if attribute_weights and score.status.scored and score.evidence is not None:
        attributes = score.evidence.attributes
        # Other scorers have attributes of other names; the weights are not about them.
        if attribute_weights.keys() <= attributes.keys():
            value = sum(weight * attributes[name] for name, weight in attribute_weights.items())
            if isfinite(value):
                score = replace(score, value=value)
            else:
                score = replace(
                    score,
                    status=Status.ERROR,
                    value=None,
                    reason="the weighted attributes do not add up to a finite number",
                )
    return Cell(
        score,
        score.status,
        score.reason,
        score.value,
        score.confidence,
        timing,
        steps=score.steps,
    )


def _calibrate(
    part: Part, groups: Sequence[Group], cells: list[list[Cell]], versions: dict[str, str]
) -> None:
    source = part.calibrators
    if source is None:
        return
    together: dict[int, tuple[Calibrator, list[Cell]]] = {}
    found: dict[str, Calibrator | None] = {}
    for group, row in zip(groups, cells, strict=True):
        if group.domain not in found:
            found[group.domain] = calibrator = source.in_force(group.domain)
            if calibrator is not None:
                place = f"@{group.domain}" if group.domain else ""
                versions[f"calibrator/{part.name}{place}"] = calibrator.version
        calibrator = found[group.domain]
        scored = [cell for cell in row if cell.status.scored]
        if calibrator is None:
            for cell in scored:
                cell.withhold(
                    Status.ABSTAINED,
                    f"no calibrator of {part.name} has been fitted; record labels and fit one",
                )
        else:
            together.setdefault(id(calibrator), (calibrator, []))[1].extend(scored)
    for calibrator, chosen in together.values():
        raw = np.array([cell.score.value for cell in chosen], dtype=np.float64)
        for cell, reward, confidence in zip(
            chosen, calibrator.apply(raw).tolist(), calibrator.confidences(raw), strict=True
        ):
            cell.reward, cell.confidence = reward, confidence
        apart = [cell for cell in chosen if cell.score.disagreement]
        if apart:
            widened = with_disagreement(
                calibrator.confidences,
                numbers([cell.score.value for cell in apart]),
                numbers([cell.score.disagreement for cell in apart]),
            )
            for cell, confidence in zip(apart, widened, strict=True):
                cell.confidence = confidence


def _correct(
    part: Part, groups: Sequence[Group], cells: list[list[Cell]], versions: dict[str, str]
) -> None:
    corrector = part.noise
    if corrector is None:
        return
    for group, row in zip(groups, cells, strict=True):
        for cell in row:
            if not cell.status.scored:
                continue
            corrected = corrector.correct(cell.score, group.domain)
            cell.noise = corrected.noise
            if corrected.noise is not None and corrected.noise.version:
                place = f"@{group.domain}" if group.domain else ""
                versions[f"noise/{part.name}{place}"] = corrected.noise.version
            if not corrected.status.scored:
                cell.withhold(corrected.status, corrected.reason)
                continue
            if corrector.changes_rewards:
                cell.reward = corrected.reward
            if corrected.confidence is not None and part.calibrators is None:
                cell.confidence = corrected.confidence


def _shape(part: Part, group: Group, row: list[Cell], batch_id: str) -> None:
    rewards = numbers([cell.reward for cell in row])
    view = view_of(
        group,
        rewards,
        {part.name: rewards},
        [cell.score.verdict for cell in row],
        [cell.confidence for cell in row],
        [cell.steps for cell in row],
        batch_id=batch_id,
    )
    account = shape_group(part.shaping, view, missing_from(group))
    for place, cell in enumerate(row):
        cell.shaping = account.terms[place]
        if place in account.reasons:
            cell.withhold(Status.ABSTAINED, account.reasons[place])
        elif cell.reward is not None:
            cell.reward = float(account.rewards[place])
            cell.steps = with_rewards(cell.steps, account.steps, place)


def view_of(
    group: Group,
    rewards: NDArray[np.float64],
    components: Mapping[str, NDArray[np.float64]],
    verdicts: Sequence[Verdict | None],
    confidences: Sequence[Confidence | None],
    steps: Sequence[Sequence[Step]],
    stated: Sequence[float | None] = (),
    batch_id: str = "",
) -> GroupView:
    """What shaping sees of a group."""
    texts = tuple(r.text if isinstance(r.text, str) else None for r in group.responses)
    names = {name for response in group.responses for name in response.values}
    return GroupView(
        rewards,
        components,
        correctness(verdicts),
        numbers([None if c is None else c.probability for c in confidences]),
        numbers(stated) if stated else None,
        numbers([None if text is None else len(text) for text in texts]),
        texts,
        {name: numbers([r.values.get(name) for r in group.responses]) for name in names},
        tuple(step_scores(each) for each in steps),
        batch_id,
    )


def missing_from(group: Group) -> int:
    """Responses that the complete group has and this one lacks."""
    return max(0, group.size - len(group.responses))


def correctness(verdicts: Sequence[Verdict | None]) -> NDArray[np.float64]:
    """1 for correct, 0 for incorrect or no answer, NaN where it is not known."""
    known = {Outcome.CORRECT: 1.0, Outcome.INCORRECT: 0.0, Outcome.NO_ANSWER: 0.0}
    return numbers([None if v is None else known.get(v.outcome) for v in verdicts])


def step_scores(steps: Sequence[Step]) -> NDArray[np.float64]:
    """Scores of the steps, NaN where there is none, shape (steps,)."""
    return numbers([step.score for step in steps])


def with_rewards(
    steps: tuple[Step, ...], rewards: Sequence[NDArray[np.float64]], place: int
) -> tuple[Step, ...]:
    """The steps with the rewards that shaping gave them, if it gave one to each."""
    if place >= len(rewards) or len(rewards[place]) != len(steps) or not steps:
        return steps
    return tuple(
        replace(step, reward=reward if isfinite(reward) else None)
        for step, reward in zip(steps, rewards[place].tolist(), strict=True)
    )


def numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """An array with NaN for None."""
    return np.array([nan if value is None else value for value in values], dtype=np.float64)
