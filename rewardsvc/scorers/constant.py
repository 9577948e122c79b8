"""A scorer that gives every response the same score: a floor for benchmarks and wiring tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.types import Group, Score, ScorerDescription, Status


class ConstantConfig(BaseModel):
    """Configuration of the constant scorer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["constant"] = "constant"
    value: float = Field(0.0, allow_inf_nan=False, description="The score of every response.")


class ConstantScorer:
    """Gives every response the configured score."""

    config_type: ClassVar[type[BaseModel]] = ConstantConfig
    needs_reference = False
    limits = BatchLimits()

    def __init__(self, name: str, config: ConstantConfig, base_path: Path) -> None:
        self.name = name
        self.range = (config.value, config.value)
        self._score = Score(Status.OK, config.value)

    def describe(self) -> ScorerDescription:
        """Name and value."""
        return ScorerDescription(self.name, "constant", f"constant-{self._score.value}")

    def weigh(self, group: Group) -> list[int]:
        """By characters."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Nothing to load."""

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """The same score for every response."""
        return [[self._score] * len(group.responses) for group in groups]

    async def close(self) -> None:
        """Nothing to free."""
