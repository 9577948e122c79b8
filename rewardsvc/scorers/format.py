"""Scores the form of responses: required tags, boxed answer, length bounds."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from rewardsvc_verifiers.format import FormatPolicy, verify

from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.scorers.verdicts import VerdictValues
from rewardsvc.types import Group, Response, Score, ScorerDescription, Status
from rewardsvc.versions import version_of


class FormatConfig(BaseModel):
    """Configuration of the format scorer; see FormatPolicy for each rule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["format"] = "format"
    required_tags: tuple[str, ...] = ()
    nothing_outside_tags: bool = False
    boxed_answer: bool = False
    minimum_characters: int = Field(0, ge=0)
    maximum_characters: int | None = Field(None, ge=0)
    values: VerdictValues = VerdictValues()


class FormatScorer:
    """Scores each response by its form alone."""

    config_type: ClassVar[type[BaseModel]] = FormatConfig
    needs_reference = False
    limits = BatchLimits()

    def __init__(self, name: str, config: FormatConfig, base_path: Path) -> None:
        self.name = name
        self.range = config.values.range
        self._values = config.values
        self._version = version_of("format-1", config)
        self._policy = FormatPolicy(
            config.required_tags,
            config.nothing_outside_tags,
            config.boxed_answer,
            config.minimum_characters,
            config.maximum_characters,
            name,
        )

    def describe(self) -> ScorerDescription:
        """Kind and version."""
        return ScorerDescription(self.name, "format", self._version)

    def weigh(self, group: Group) -> list[int]:
        """By characters; the prompt is never looked at."""
        return weigh_by_characters(group, with_prompt=False)

    async def start(self) -> None:
        """Nothing to load."""

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Verifies group by group, giving other work its turn in between."""
        scores = []
        for group in groups:
            scores.append([self._score(response) for response in group.responses])
            await asyncio.sleep(0)
        return scores

    async def close(self) -> None:
        """Nothing to free."""

    def _score(self, response: Response) -> Score:
        if not isinstance(response.text, str):
            return Score.unscored(
                Status.ERROR, f"The format scorer {self.name!r} needs text, not token ids."
            )
        return self._values.score(verify(response.text, self._policy))
