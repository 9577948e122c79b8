"""Configuration that all judges share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rewardsvc.engines.generators import GeneratorConfig
from rewardsvc.judging.rubric_scale import Scale

__all__ = ["CanarySettings", "JudgeSettings", "ListenerSettings", "ScaleSettings"]

_LEAST_TOKENS = 4
_DEFAULT_TEMPERATURE = 1.0


class CanarySettings(BaseModel):
    """How often the judge is asked about a response known to be worthless."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    every_samples: int = Field(200, ge=0, description="After this many samples; 0: never by count.")
    every_seconds: float = Field(
        300.0, ge=0, le=86_400, description="After this long with samples; 0: never by time."
    )
    most_per_hour: int = Field(120, ge=1, le=3600, description="Most probes an hour.")
    alarm_above: float = Field(
        0.1, ge=0, le=1, description="Live false-positive rate that raises an alarm."
    )


class ListenerSettings(BaseModel):
    """A second listener, who re-reads the judge's reasoning with the response."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: GeneratorConfig | None = Field(None, description="Its model; the judge's when absent.")
    weight: float = Field(
        1.0, ge=0, le=1, description="How much its disagreement lowers the confidence."
    )
    warn_above: float = Field(
        0.5, ge=0, le=1, description="Difference of the two scores that is worth a warning."
    )


class ScaleSettings(BaseModel):
    """The whole numbers that the judge chooses from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    minimum: int = Field(1, ge=0, le=999)
    maximum: int = Field(5, ge=1, le=1000)

    @model_validator(mode="after")
    def _ascending(self) -> ScaleSettings:
        Scale(self.minimum, self.maximum)
        return self

    @property
    def numbers(self) -> Scale:
        """The scale."""
        return Scale(self.minimum, self.maximum)


class JudgeSettings(BaseModel):
    """What every kind of judge takes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: GeneratorConfig = Field(description="The language model that judges.")
    reasoning: bool = Field(
        True, description="Whether evidence comes before the verdict; false asks for it alone."
    )
    votes: int = Field(1, ge=1, le=64, description="Judgements of each response (in each order).")
    quorum: int | None = Field(
        None, ge=1, description="Votes that must be readable; more than half when absent."
    )
    stop_early: bool = Field(
        True, description="Stops asking when the votes still to come can change nothing."
    )
    temperature: float | None = Field(
        None, ge=0, le=2, description="0 with one vote and 1 with several when absent."
    )
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(
        1024, ge=_LEAST_TOKENS, le=131_072, description="Most tokens of one judgement."
    )
    tokens_per_sample: int | None = Field(
        None,
        ge=1,
        description="Most tokens generated for one response, over all its judgements.",
    )
    seconds_per_sample: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="Longest that the judgements of one response may take, waiting included.",
    )
    samples_in_flight: int = Field(
        64, ge=1, le=4096, description="Responses that are judged at a time."
    )
    log_probabilities: bool = Field(
        True, description="Uses the model's probabilities where the engine gives them."
    )
    minimum_mass: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Probability that must be on possible verdicts for a judgement to count.",
    )
    defences: bool = Field(
        True, description="Refuses empty, master-key and override responses without a call."
    )
    canaries: CanarySettings | None = Field(
        CanarySettings(), description="Probes of the live false-positive rate; null turns them off."
    )
    second_listener: ListenerSettings | None = None
    bias_window: int = Field(
        1000, ge=20, le=1_000_000, description="Samples that the bias figures are taken over."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Any:
        if self.quorum is not None and self.quorum > self.votes:
            raise ValueError(f"quorum is {self.quorum}; must be at most votes")
        if self.second_listener is not None and not self.reasoning:
            raise ValueError("second_listener needs reasoning: true, to have something to re-read")
        if self.votes > 1 and self.temperature == 0:
            raise ValueError("temperature 0 would give the same judgement every time")
        if self.tokens_per_judgement < _LEAST_TOKENS:
            raise ValueError(
                f"tokens_per_sample is {self.tokens_per_sample}; must be at least "
                f"{_LEAST_TOKENS * self.judgements}, {_LEAST_TOKENS} for each judgement"
            )
        return self

    @property
    def orders(self) -> int:
        """Orders in which each judgement is asked for."""
        return 1

    @property
    def judgements(self) -> int:
        """Most judgements of one response, with the second listener's."""
        return self.votes * self.orders + (self.second_listener is not None)

    @property
    def tokens_per_judgement(self) -> int:
        """Most tokens of one judgement, so that all of them stay within the budget."""
        if self.tokens_per_sample is None:
            return self.max_tokens
        return min(self.max_tokens, self.tokens_per_sample // self.judgements)

    @property
    def least_votes(self) -> int:
        """Votes that must be readable."""
        return self.quorum or self.votes // 2 + 1

    @property
    def sampling_temperature(self) -> float:
        """The temperature in use."""
        if self.temperature is not None:
            return self.temperature
        return _DEFAULT_TEMPERATURE if self.votes > 1 else 0.0
