"""Scores responses by the token probabilities of one language model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.scorers.likelihood.answer_confidence import AnswerConfidence
from rewardsvc.scorers.likelihood.answer_span import AnswerMarks
from rewardsvc.scorers.likelihood.follow_up import NEGATIVE, POSITIVE, FollowUp
from rewardsvc.scorers.likelihood.measure import Measure, MeasureSettings, NoAnswer, TextSample
from rewardsvc.scorers.likelihood.reference import REFERENCE_MEASURES
from rewardsvc.scorers.likelihood.self_aligned import SelfAligned
from rewardsvc.scorers.model_requests import as_messages, reference_texts
from rewardsvc.scorers.model_settings import ModelSettings, start_and_hash
from rewardsvc.scorers.scorer import weigh_by_characters
from rewardsvc.scorers.token_scores import ENGINE, Context, TokenScores, ask
from rewardsvc.types import Group, Response, Score, ScorerDescription, Status, TokenIds
from rewardsvc.versions import version_of

__all__ = ["MEASURES", "LikelihoodConfig", "LikelihoodScorer"]

MEASURES: Mapping[str, Callable[[MeasureSettings], Measure]] = MappingProxyType(
    {
        "answer_confidence": AnswerConfidence,
        "follow_up": FollowUp,
        **REFERENCE_MEASURES,
        "self_aligned": SelfAligned,
    }
)
"""Measures by the name that configurations use."""


class LikelihoodConfig(ModelSettings):
    """Configuration of a token-probability reward; relative paths start at the file's folder."""

    kind: Literal["likelihood"] = "likelihood"
    model: str = Field(min_length=1, description="Model folder: a causal language model.")
    measure: str = Field(description=f"One of {', '.join(MEASURES)}.")
    answer_start: str = Field(
        "<answer>", min_length=1, description="What stands before a response's final answer."
    )
    answer_end: str = Field("</answer>", min_length=1, description="What stands behind it.")
    positive_follow_ups: tuple[str, ...] = Field(
        (), description=f"measure follow_up: what a content user says; by default {POSITIVE}."
    )
    negative_follow_ups: tuple[str, ...] = Field(
        (), description=f"measure follow_up: what another says; by default {NEGATIVE}."
    )
    truncation: Literal["prompt_left", "reject"] = Field(
        "prompt_left",
        description="What happens to longer inputs: prompt_left drops the prompt's first "
        "tokens (status truncated), reject scores none of it (status error).",
    )

    @field_validator("measure")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in MEASURES:
            raise ValueError(f"must be one of {', '.join(MEASURES)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> LikelihoodConfig:
        for key in ("positive_follow_ups", "negative_follow_ups"):
            texts = getattr(self, key)
            if texts and self.measure != "follow_up":
                raise ValueError(f"{key} has no meaning for measure {self.measure}")
            if not all(text.strip() for text in texts):
                raise ValueError(f"{key}: must not be blank")
        return self


class LikelihoodScorer:
    """Scores responses by one measure; `value` is in the measure's unit, higher is better."""

    config_type: ClassVar[type[BaseModel]] = LikelihoodConfig

    def __init__(self, name: str, config: LikelihoodConfig, base_path: Path) -> None:
        """Checks that the model is there; ConfigError names what is missing."""
        self.name = name
        self.limits = config.limits
        self._config = config
        self._measure = MEASURES[config.measure](
            MeasureSettings(
                AnswerMarks(config.answer_start, config.answer_end),
                config.positive_follow_ups,
                config.negative_follow_ups,
            )
        )
        self.needs_reference = self._measure.needs_reference
        self.range = self._measure.range
        self._directory = base_path / config.model
        check_model_directory(self._directory)
        self._hash: str | None = None
        self._facts: dict[str, str] = {}
        self._engine = config.process(
            name, ENGINE, {"models": [str(self._directory)], "truncation": config.truncation}
        )

    def describe(self) -> ScorerDescription:
        """Version of model, measure and settings; before `start` it says so."""
        config = self._config
        version = "likelihood-not-loaded"
        if self._hash is not None:
            follow_ups = (config.positive_follow_ups, config.negative_follow_ups)
            version = version_of(
                "likelihood-1",
                f"{config.measure} {config.answer_start!r} {config.answer_end!r} {follow_ups!r}",
                f"{config.truncation} {config.deciding}",
                self._hash,
            )
        properties = {
            "measure": config.measure,
            "deterministic": str(config.deterministic).lower(),
            **self._facts,
        }
        return ScorerDescription(self.name, "likelihood", version, properties=properties)

    def weigh(self, group: Group) -> list[int]:
        """By characters: the batches need an estimate only."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the engine process; ConfigError or EngineDown where it cannot."""
        self._facts, self._hash = await start_and_hash(
            self._engine, [partial(model_hash, self._directory)]
        )

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Scores one batch; raises as an EngineProcess does."""
        asked: list[list[list[Context] | Score]] = [
            [self._contexts(group, response) for response in group.responses] for group in groups
        ]
        contexts = [
            context
            for group in asked
            for sample in group
            if not isinstance(sample, Score)
            for context in sample
        ]
        answers = iter(await ask(self._engine, contexts))
        return [
            [
                sample
                if isinstance(sample, Score)
                else self._score([next(answers) for _ in sample])
                for sample in group
            ]
            for group in asked
        ]

    async def close(self) -> None:
        """Kills the engine process."""
        await self._engine.close()

    def _contexts(self, group: Group, response: Response) -> list[Context] | Score:
        if isinstance(group.prompt, TokenIds) or isinstance(response.text, TokenIds):
            return Score.unscored(Status.ERROR, "needs text, not token ids")
        references: tuple[str, ...] = ()
        if self.needs_reference:
            references = tuple(reference_texts(group.reference_of(response), answers_first=True))
            if not references:
                return Score.unscored(Status.ERROR, "needs a reference: answers, or a response")
            if not all(text.strip() for text in references):
                return Score.unscored(Status.ERROR, "a reference answer is blank")
        sample = TextSample(as_messages(group.prompt), response.text, references)
        try:
            return self._measure.contexts(sample)
        except NoAnswer as error:
            return Score.unscored(Status.ABSTAINED, str(error))

    def _score(self, answers: Sequence[Sequence[TokenScores | str]]) -> Score:
        found: list[list[TokenScores]] = []
        truncation = ""
        for context in answers:
            found.append([])
            for scores in context:
                if isinstance(scores, str):
                    return Score.unscored(Status.ERROR, scores)
                truncation = truncation or scores.truncation
                found[-1].append(scores)
        status = Status.TRUNCATED if truncation else Status.OK
        return Score(status, self._measure.value(found), truncation)
