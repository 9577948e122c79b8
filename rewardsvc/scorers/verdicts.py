"""From a verifier's verdict to a score: one rule for every rule-based scorer.

A verdict that did not judge the response (undecided, error) never becomes a number.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from rewardsvc.types import Confidence, Outcome, Score, Status, Verdict


class VerdictValues(BaseModel):
    """The score of each outcome that judges the response."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    correct: float = Field(1.0, allow_inf_nan=False)
    incorrect: float = Field(0.0, allow_inf_nan=False)
    no_answer: float = Field(
        0.0, allow_inf_nan=False, description="The response declares no final answer."
    )

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        values = (self.correct, self.incorrect, self.no_answer)
        return min(values), max(values)

    def score(self, verdict: Verdict, confidence: Confidence | None = None) -> Score:
        """The score of a verdict: abstained when undecided, an error when it failed."""
        match verdict.outcome:
            case Outcome.CORRECT:
                value = self.correct
            case Outcome.INCORRECT:
                value = self.incorrect
            case Outcome.NO_ANSWER:
                value = self.no_answer
            case Outcome.UNDECIDED:
                return Score.unscored(Status.ABSTAINED, verdict.reason, verdict)
            case _:
                return Score.unscored(Status.ERROR, verdict.reason, verdict)
        return Score(Status.OK, value, confidence=confidence, verdict=verdict)
