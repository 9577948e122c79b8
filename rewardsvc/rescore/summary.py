"""What a run of rescoring came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rewardsvc.types import Result

_MOST_REASONS = 1000


@dataclass(slots=True)
class Summary:
    """Counts and sums over results; constant in size however many there are."""

    statuses: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why samples have no reward; the first kinds that occurred."""
    unreadable: int = 0
    """Lines that are no samples; they count as status error too."""
    skipped: int = 0
    """Samples whose ids the output already held."""
    rewards: int = 0
    reward_sum: float = 0.0
    confidences: int = 0
    confidence_sum: float = 0.0

    @property
    def samples(self) -> int:
        """Results in all."""
        return sum(self.statuses.values())

    @property
    def mean_reward(self) -> float | None:
        """Over the samples with a reward."""
        return self.reward_sum / self.rewards if self.rewards else None

    @property
    def mean_confidence(self) -> float | None:
        """Over the samples with a confidence."""
        return self.confidence_sum / self.confidences if self.confidences else None

    def add(self, result: Result) -> None:
        """Counts one result."""
        self.statuses[result.status.value] += 1
        if result.verdict is not None:
            self.outcomes[result.verdict.outcome.value] += 1
        if result.reward is not None:
            self.rewards += 1
            self.reward_sum += result.reward
        elif result.reason in self.reasons or len(self.reasons) < _MOST_REASONS:
            self.reasons[result.reason] += 1
        if result.confidence is not None:
            self.confidences += 1
            self.confidence_sum += result.confidence.probability
