"""Judges a response criterion by criterion: hard rules and weighted principles.

The rubric comes with the sample's reference, or from the configuration where the sample has
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rewardsvc.engines.generation import Completion, Generator
from rewardsvc.judging.parsing import Parsed, Unreadable, read_criteria
from rewardsvc.judging.prompts import MET, NOT_MET, JudgePrompt, rubric_prompt
from rewardsvc.judging.rubric import criterion_verdict, rubric_fault, score_rubric
from rewardsvc.judging.voting import VoteRule
from rewardsvc.scorers.judge_base import Conclusion, PointwiseJudge
from rewardsvc.scorers.judge_settings import JudgeSettings
from rewardsvc.scorers.judge_votes import Reading
from rewardsvc.types import Criterion, CriterionVerdict, Reference

__all__ = ["RubricJudge", "RubricJudgeConfig"]


class CriterionSettings(BaseModel):
    """One criterion of the configured rubric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    description: str = ""
    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    hard_rule: bool = Field(False, description="Not meeting it fails the response.")


class RubricJudgeConfig(JudgeSettings):
    """Configuration of a judge with a rubric of criteria."""

    kind: Literal["rubric_judge"] = "rubric_judge"
    rubric: tuple[CriterionSettings, ...] = Field(
        (), description="For samples whose reference has no rubric."
    )
    minimum_weight: float = Field(
        0.5, gt=0, le=1, description="Share of the weight that must be judged."
    )
    use_reference: bool = Field(True, description="Shows the reference, where there is one.")

    @model_validator(mode="after")
    def _usable(self) -> RubricJudgeConfig:
        if not self.reasoning:
            raise ValueError("reasoning: a rubric's criteria are always judged with reasoning")
        if self.rubric and (fault := rubric_fault(self.criteria)):
            raise ValueError(f"rubric: {fault}")
        return self

    @property
    def criteria(self) -> tuple[Criterion, ...]:
        """The configured rubric."""
        return tuple(Criterion(c.name, c.description, c.weight, c.hard_rule) for c in self.rubric)


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: JudgePrompt
    rubric: tuple[Criterion, ...]
    config: RubricJudgeConfig
    choices: tuple[str, ...] = ()
    rule: VoteRule = VoteRule.MAJORITY

    def read(self, completion: Completion) -> Reading | Unreadable:
        found = read_criteria(completion.text, len(self.rubric), (MET, NOT_MET))
        marks = tuple(float(p.value == MET) if isinstance(p, Parsed) else None for p in found)
        if all(mark is None for mark in marks):
            return next(p for p in found if isinstance(p, Unreadable))
        notes = tuple(
            f"{criterion.name or criterion.description!r}: {p.reason}"
            for criterion, p in zip(self.rubric, found, strict=True)
            if isinstance(p, Unreadable)
        )
        score = score_rubric(self._verdicts([marks]), self.config.minimum_weight).value
        right = 0.5 if score is None else score
        return Reading(score, right, marks, notes=notes)

    def conclude(self, readings: Sequence[Reading]) -> Conclusion:
        verdicts = self._verdicts([reading.marks for reading in readings])
        scored = score_rubric(verdicts, self.config.minimum_weight)
        notes = sorted({note for reading in readings for note in reading.notes})
        warnings = tuple(f"A vote is missing on the criterion {note}." for note in notes)
        return Conclusion(scored.value, scored.reason, criteria=verdicts, warnings=warnings)

    def _verdicts(
        self, ballots: Sequence[tuple[float | None, ...]]
    ) -> tuple[CriterionVerdict, ...]:
        by_criterion = zip(*ballots, strict=True)
        return tuple(
            _verdict(criterion, [mark == 1.0 for mark in marks if mark is not None], len(ballots))
            for criterion, marks in zip(self.rubric, by_criterion, strict=True)
        )


class RubricJudge(PointwiseJudge):
    """Scores responses in [0, 1] by the weighted share of criteria met, 0 where a hard rule
    is broken; every criterion's verdict is in the evidence."""

    config_type: ClassVar[type[BaseModel]] = RubricJudgeConfig
    kind = "rubric_judge"

    def __init__(
        self,
        name: str,
        config: RubricJudgeConfig,
        base_path: Path,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(name, config, base_path, generator)
        self._config = config
        self.needs_reference = not config.rubric

    def _properties(self) -> dict[str, str]:
        return {"criteria": str(len(self._config.rubric)) if self._config.rubric else "by sample"}

    def _question(self, problem: str, reference: Reference | None) -> _Question | str:
        given = () if reference is None else reference.rubric
        rubric = given or self._config.criteria
        if fault := rubric_fault(rubric):
            return f"The judge {self.name!r} cannot use this rubric: {fault}."
        shown = reference if self._config.use_reference else None
        return _Question(rubric_prompt(rubric, problem, shown), rubric, self._config)


def _verdict(criterion: Criterion, votes: Sequence[bool], asked: int) -> CriterionVerdict:
    said = f"{sum(votes)} of {asked} votes: met"
    if len(votes) < asked:
        said += f"; {asked - len(votes)} missing"
    return criterion_verdict(criterion, votes, said + ".")
