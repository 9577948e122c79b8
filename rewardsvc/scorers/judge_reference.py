"""Judges whether a response is correct, given a gold answer or a reference response."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field

from rewardsvc.engines.generation import Completion, Generator
from rewardsvc.judging.parsing import Unreadable, read_choice
from rewardsvc.judging.prompts import JudgePrompt, reference_prompt
from rewardsvc.judging.reference_based import CHOICES, CORRECT, probability_correct
from rewardsvc.judging.voting import VoteRule, summary
from rewardsvc.scorers.judge_base import Conclusion, PointwiseJudge
from rewardsvc.scorers.judge_settings import JudgeSettings
from rewardsvc.scorers.judge_votes import Reading, masses_at
from rewardsvc.types import Outcome, Reference, Verdict

__all__ = ["ReferenceJudge", "ReferenceJudgeConfig"]


class ReferenceJudgeConfig(JudgeSettings):
    """Configuration of a judge of correctness."""

    kind: Literal["reference_judge"] = "reference_judge"
    vote: Literal["majority", "mean"] = Field(
        "majority",
        description="majority: 1 or 0 by counting votes; mean: the mean probability of correct.",
    )


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: JudgePrompt
    config: ReferenceJudgeConfig

    @property
    def choices(self) -> tuple[str, ...]:
        return () if self.config.reasoning else CHOICES

    @property
    def rule(self) -> VoteRule:
        return VoteRule(self.config.vote)

    def read(self, completion: Completion) -> Reading | Unreadable:
        parsed = read_choice(completion.text, CHOICES, marked=self.config.reasoning)
        if isinstance(parsed, Unreadable):
            return parsed
        said = float(parsed.value == CORRECT)
        masses = masses_at(completion, parsed.start, CHOICES)
        if masses is None:
            return Reading(said, said, (said,))
        right = probability_correct(masses, self.config.minimum_mass)
        if right is None:
            return Unreadable(
                f"only {masses.total:.2f} of its probability is on a verdict, "
                f"{self.config.minimum_mass:g} needed"
            )
        mark = right if self.rule is VoteRule.MEAN else float(right >= 0.5)
        return Reading(mark, right, (mark,), from_probabilities=True, masses=masses)

    def conclude(self, readings: Sequence[Reading]) -> Conclusion:
        marks = [reading.marks[0] for reading in readings if reading.marks[0] is not None]
        value = summary(marks, self.rule)
        if value is None:
            return Conclusion(None, "The judgements tie.", _verdict(Outcome.UNDECIDED, marks))
        outcome = Outcome.CORRECT if value >= 0.5 else Outcome.INCORRECT
        return Conclusion(value, verdict=_verdict(outcome, marks))


class ReferenceJudge(PointwiseJudge):
    """Scores responses 1 or 0 (`majority`), or by the probability of being correct (`mean`)."""

    config_type: ClassVar[type[BaseModel]] = ReferenceJudgeConfig
    kind = "reference_judge"
    needs_reference = True

    def __init__(
        self,
        name: str,
        config: ReferenceJudgeConfig,
        base_path: Path,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(name, config, base_path, generator)
        self._config = config

    def _properties(self) -> dict[str, str]:
        return {"vote": self._config.vote}

    def _question(self, problem: str, reference: Reference | None) -> _Question | str:
        if reference is None or not (reference.answers or reference.response):
            return (
                f"The judge {self.name!r} needs a reference with an answer or a reference response."
            )
        prompt = reference_prompt(problem, reference, reasoning=self._config.reasoning)
        return _Question(prompt, self._config)


def _verdict(outcome: Outcome, marks: Sequence[float]) -> Verdict:
    agreeing = sum(mark >= 0.5 for mark in marks)
    return Verdict(outcome, f"{agreeing} of {len(marks)} judgements say correct.", "judge")
