"""Judges a response on a scale, by a rubric in words (Prometheus-style absolute grading).

Where the engine gives log-probabilities, a vote is not the number that was written but the
distribution over the scale's numbers at that place (`judging.distribution`). Numbers of
several tokens are completed by asking the engine to go on from the prefixes that matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from rewardsvc.engines.generation import (
    Completion,
    GenerationFailed,
    GenerationRequest,
    Generator,
)
from rewardsvc.judging.candidates import Masses, continuation_masses
from rewardsvc.judging.distribution import DistributionMethod, distribution_score, share
from rewardsvc.judging.parsing import Unreadable, read_number
from rewardsvc.judging.prompts import JudgePrompt, absolute_prompt
from rewardsvc.judging.rubric_scale import Scale
from rewardsvc.judging.voting import VoteRule, summary
from rewardsvc.scorers.judge_base import Conclusion, PointwiseJudge, Question
from rewardsvc.scorers.judge_settings import JudgeSettings, ScaleSettings
from rewardsvc.scorers.judge_votes import (
    MOST_ALTERNATIVES,
    Ballot,
    Ballots,
    Reading,
    masses_at,
)
from rewardsvc.types import ChatMessage, Reference, Usage

__all__ = ["AbsoluteJudge", "AbsoluteJudgeConfig"]

_MOST_PREFIXES = 4
_LEAST_MASS = 0.01
_NUMBER_TOKENS = 3
_DEFAULT_CRITERIA = (
    "How well does the response do what the problem asks for: is it correct, complete, to the "
    "point, and honest about what it does not know?"
)


class AbsoluteJudgeConfig(JudgeSettings):
    """Configuration of a judge with a scale."""

    kind: Literal["judge"] = "judge"
    criteria: str = Field(_DEFAULT_CRITERIA, min_length=1, description="The rubric in words.")
    levels: Mapping[int, str] = Field(
        default_factory=dict, description="What numbers of the scale stand for."
    )
    scale: ScaleSettings = ScaleSettings()
    vote: Literal["mean", "median"] = Field("mean", description="How votes become one.")
    distribution: DistributionMethod = Field(
        DistributionMethod.EXPECTATION,
        description="expectation: the mean of the distribution; odds: TrustJudge's.",
    )
    distribution_temperature: float = Field(
        0.2, gt=0, le=100, description="T of odds: 0.2 is near the likeliest number, 1 is soft."
    )
    passing: int | None = Field(
        None,
        description="Smallest number that counts as right, for the confidence; at three "
        "quarters of the scale when absent.",
    )
    complete_numbers: bool = Field(
        True,
        description="Asks the engine to go on from likely beginnings of numbers that the "
        "tokenizer splits (at most 4 of 3 tokens a judgement).",
    )
    use_reference: bool = Field(True, description="Shows the reference, where there is one.")

    @model_validator(mode="after")
    def _on_scale(self) -> AbsoluteJudgeConfig:
        numbers = self.numbers.numbers
        for number in (*self.levels, *([] if self.passing is None else [self.passing])):
            if number not in numbers:
                raise ValueError(
                    f"{number} is not on the scale {self.scale.minimum} to {self.scale.maximum}"
                )
        return self

    @property
    def numbers(self) -> Scale:
        """The scale."""
        return self.scale.numbers

    @property
    def passing_number(self) -> float:
        """Numbers from here on count as right."""
        if self.passing is not None:
            return self.passing
        return self.scale.minimum + 0.75 * (self.scale.maximum - self.scale.minimum)


@dataclass(frozen=True, slots=True)
class _Question:
    prompt: JudgePrompt
    config: AbsoluteJudgeConfig

    @property
    def choices(self) -> tuple[str, ...]:
        return () if self.config.reasoning else _labels(self.config.numbers)

    @property
    def rule(self) -> VoteRule:
        return VoteRule(self.config.vote)

    def read(self, completion: Completion) -> Reading | Unreadable:
        config, scale = self.config, self.config.numbers
        parsed = read_number(completion.text, scale, marked=config.reasoning)
        if isinstance(parsed, Unreadable):
            return parsed
        masses = masses_at(completion, parsed.start, _labels(scale))
        if masses is not None:
            hoped_for = sum(masses.unresolved.values()) if config.complete_numbers else 0.0
            return _reading(masses, config, hoped_for=hoped_for)
        number = int(parsed.value)
        value = scale.unit(number)
        return Reading(value, float(number >= config.passing_number), (value,))

    def conclude(self, readings: Sequence[Reading]) -> Conclusion:
        values = [reading.score for reading in readings if reading.score is not None]
        return Conclusion(summary(values, self.rule))


class AbsoluteJudge(PointwiseJudge):
    """Scores responses in [0, 1]: 0 at the scale's minimum, 1 at its maximum."""

    config_type: ClassVar[type[BaseModel]] = AbsoluteJudgeConfig
    kind = "judge"

    def __init__(
        self,
        name: str,
        config: AbsoluteJudgeConfig,
        base_path: Path,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(name, config, base_path, generator)
        self._config = config

    def _properties(self) -> dict[str, str]:
        scale = self._config.scale
        return {"scale": f"{scale.minimum} to {scale.maximum}", "vote": self._config.vote}

    def _question(self, problem: str, reference: Reference | None) -> _Question | str:
        config = self._config
        prompt = absolute_prompt(
            config.criteria,
            config.levels,
            config.numbers,
            problem,
            reference if config.use_reference else None,
            reasoning=config.reasoning,
        )
        return _Question(prompt, config)

    async def _judge(
        self, question: Question, text: str, deadline: float, votes: int | None = None
    ) -> Ballots:
        found = await super()._judge(question, text, deadline, votes)
        messages = question.prompt.about(("response", text))
        async with asyncio.TaskGroup() as tasks:
            completed = [
                tasks.create_task(self._completed(ballot, messages, deadline))
                for ballot in found.ballots
            ]
        return sum((task.result() for task in completed), Ballots((), found.usage))

    async def _completed(
        self, ballot: Ballot, messages: tuple[ChatMessage, ...], deadline: float
    ) -> Ballots:
        """The ballot with the numbers told apart that its tokens only began."""
        config, reading = self._config, ballot.reading
        if reading is None or reading.masses is None or not config.complete_numbers:
            return Ballots((ballot,))
        masses, usage = reading.masses, Usage()
        parsed = read_number(ballot.text, config.numbers, marked=config.reasoning)
        if not masses.unresolved or isinstance(parsed, Unreadable):
            return Ballots((ballot,))
        likely = sorted(masses.unresolved.items(), key=lambda item: (-item[1], item[0]))
        for prefix, mass in likely[:_MOST_PREFIXES]:
            if mass < _LEAST_MASS:
                break
            begun = ChatMessage("assistant", ballot.text[: parsed.start] + prefix)
            request = GenerationRequest(
                (*messages, begun),
                max_tokens=_NUMBER_TOKENS,
                top_log_probabilities=MOST_ALTERNATIVES,
                continue_final_message=True,
            )
            try:
                seconds = max(deadline - asyncio.get_running_loop().time(), 0.001)
                async with asyncio.timeout_at(deadline):
                    generation = await self._generator.generate(request, seconds=seconds)
            except (TimeoutError, GenerationFailed):
                break  # the mass counts as missing
            usage += generation.usage
            for completion in generation.completions[:1]:
                labels = _labels(config.numbers)
                masses = masses.resolved(
                    prefix, continuation_masses(completion.tokens, prefix, labels)
                )
        completed = _reading(masses, config)
        if isinstance(completed, Unreadable):
            return Ballots((Ballot(ballot.text, None, completed.reason),), usage)
        return Ballots((replace(ballot, reading=completed),), usage)


def _labels(scale: Scale) -> tuple[str, ...]:
    return tuple(map(str, scale.numbers))


def _reading(
    masses: Masses, config: AbsoluteJudgeConfig, *, hoped_for: float = 0.0
) -> Reading | Unreadable:
    """`hoped_for` is probability that may still turn out to be on numbers of the scale."""
    by_number = {int(label): min(mass, 1.0) for label, mass in masses.by_candidate.items()}
    number = distribution_score(
        by_number,
        method=config.distribution,
        temperature=config.distribution_temperature,
        minimum_mass=config.minimum_mass - hoped_for,
    )
    if number is None:
        return Unreadable(
            f"only {masses.total:.2f} of its probability is on numbers of the scale, "
            f"{config.minimum_mass:g} needed"
        )
    value = config.numbers.unit(min(max(number, config.scale.minimum), config.scale.maximum))
    right = share(by_number, config.passing_number)
    return Reading(value, right, (value,), from_probabilities=True, masses=masses)
