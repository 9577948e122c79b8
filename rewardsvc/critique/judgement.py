"""From the critiques of one response to its score: votes, step rewards, confidence, reasons.

Pure: the scorer asks the model, this says what the answers are worth, and whether further
answers could still change that.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rewardsvc.calibration.votes import confidence_from_votes
from rewardsvc.critique.parsing import Critique
from rewardsvc.critique.rewards import capo_range, capo_rewards
from rewardsvc.critique.steps import StepSpan
from rewardsvc.critique.votes import StepVotes, count_votes, is_decided
from rewardsvc.types import (
    Confidence,
    Evidence,
    Outcome,
    Score,
    Status,
    Step,
    Usage,
    Verdict,
    Vote,
)

__all__ = ["Ballot", "GivenOutcome", "Judge", "Value"]

Value = Literal["mean_reward", "right_share"]
"""What a response's score is: the mean of its step rewards, or its share of right steps."""

_STAGE = "critic"


@dataclass(frozen=True, slots=True)
class Ballot:
    """One critique that was asked for: what it says, or why it is missing."""

    text: str
    """As the model wrote it; empty where there is none."""
    critique: Critique | None
    failure: str = ""
    status: Status = Status.OK
    """Where it is missing, what it makes of a sample that lacks votes because of it."""


@dataclass(frozen=True, slots=True)
class GivenOutcome:
    """Whether the response is right, where a verifier says so and not the critic."""

    verdict: Verdict
    confidence: Confidence | None = None

    @property
    def value(self) -> float:
        """1 where it is right, else 0."""
        return float(self.verdict.outcome is Outcome.CORRECT)


@dataclass(frozen=True, slots=True)
class Judge:
    """How critiques are counted and paid.

    `rule` is one of `votes.RULES`; at least `quorum` of `critiques` must be readable.
    `asks_for_answer` says that each critique also judges the final answer: the majority
    decides (the share, by `average`), and a tie is abstained from.
    """

    rule: str
    critiques: int
    quorum: int
    asks_for_answer: bool
    has_outcome: bool
    whole_weight: float = 2.0
    process_weight: float = 1.0
    value: Value = "mean_reward"

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest score."""
        if self.value == "right_share":
            return 0.0, 1.0
        return capo_range(self.has_outcome, self.whole_weight, self.process_weight)

    def first_wave(self) -> int:
        """Critiques to ask for at first: the fewest that can settle a response, if they agree."""
        for count in range(1, self.critiques):
            agreeing = [Ballot("", Critique({}, self.asks_for_answer or None))] * count
            if self.is_settled(agreeing, 1):
                return count
        return self.critiques

    def is_settled(self, ballots: Sequence[Ballot], steps: int) -> bool:
        """Whether the critiques not asked for yet, whatever they say, change nothing.

        What they cannot change is whether there is a score, and the score, the verdict and
        the step rewards; shares of votes, confidence and evidence rest on those that were made.
        """
        outstanding = self.critiques - len(ballots)
        critiques = _readable(ballots)
        cast = count_votes([critique.wrong_steps for critique in critiques], steps)
        if not is_decided(self.rule, cast, outstanding, self.quorum):
            return False
        if not self.asks_for_answer or len(critiques) < self.quorum:
            return True
        right = _right_answers(critiques)
        wrong = len(critiques) - right
        now = self._outcome(right, wrong)
        return all(
            self._outcome(right + more, wrong + against) == now
            for more in range(outstanding + 1)
            for against in range(outstanding + 1 - more)
        )

    def score(
        self,
        ballots: Sequence[Ballot],
        spans: Sequence[StepSpan],
        given: GivenOutcome | None,
        usage: Usage,
        warnings: Sequence[str] = (),
    ) -> Score:
        """The score of a response of these steps, at least one.

        `given` is the outcome where a verifier is asked for it, and None otherwise.
        """
        critiques = _readable(ballots)
        cast = count_votes([critique.wrong_steps for critique in critiques], len(spans))
        evidence = Evidence(
            votes=tuple(self._vote(ballot, len(spans), given) for ballot in ballots), usage=usage
        )
        if cast is None or cast.votes < self.quorum:
            status, reason = self._too_few(ballots)
            return Score(status, None, reason, evidence=evidence)
        right = _right_answers(critiques)
        outcome = given.value if given is not None else None
        if self.asks_for_answer:
            outcome = self._outcome(right, cast.votes - right)
            if outcome is None:
                reason = (
                    f"The critiques are split on the final answer: {right} call it correct, "
                    f"{right} incorrect."
                )
                verdict = Verdict(Outcome.UNDECIDED, reason, _STAGE)
                return Score(Status.ABSTAINED, None, reason, verdict=verdict, evidence=evidence)
        wrongness = cast.wrongness(self.rule)
        rewards = capo_rewards(wrongness, outcome, self.whole_weight, self.process_weight)
        votes = [vote.score for vote in evidence.votes if vote.score is not None]
        warnings = [*warnings, *self._warnings(critiques, cast, wrongness, outcome)]
        return Score(
            Status.OK,
            self._value(rewards, wrongness),
            confidence=self._confidence(critiques, right, given),
            verdict=self._verdict(outcome, right, cast.votes, given),
            disagreement=statistics.pstdev(votes),
            steps=_steps(spans, cast, wrongness, rewards, critiques),
            evidence=replace(evidence, warnings=tuple(warnings)),
        )

    def _outcome(self, right: int, wrong: int) -> float | None:
        """Whether the final answer is right, in [0, 1]; None for a tie."""
        if self.rule == "average":
            return right / (right + wrong)
        return None if right == wrong else float(right > wrong)

    def _value(self, rewards: Sequence[float], wrongness: Sequence[float]) -> float:
        if self.value == "right_share":
            return 1.0 - statistics.fmean(wrongness)
        return statistics.fmean(rewards)

    def _vote(self, ballot: Ballot, steps: int, given: GivenOutcome | None) -> Vote:
        """The ballot with the score that the response would have by it alone."""
        critique = ballot.critique
        if critique is None:
            return Vote(None, ballot.text, ballot.failure)
        wrongness = [float(step in critique.wrong_steps) for step in range(1, steps + 1)]
        outcome = given.value if given is not None else None
        if self.asks_for_answer:
            outcome = float(critique.answer_is_correct is True)
        rewards = capo_rewards(wrongness, outcome, self.whole_weight, self.process_weight)
        return Vote(self._value(rewards, wrongness), ballot.text)

    def _too_few(self, ballots: Sequence[Ballot]) -> tuple[Status, str]:
        """The status of a sample that lacks votes, and why it does."""
        missing = [ballot for ballot in ballots if ballot.critique is None]
        causes = {ballot.status for ballot in missing}
        status = next((s for s in (Status.TIMEOUT, Status.ERROR) if s in causes), Status.ABSTAINED)
        reasons = Counter(ballot.failure for ballot in missing)
        listed = "; ".join(
            reason if count == 1 else f"{reason} ({count} times)"
            for reason, count in reasons.most_common(3)
        )
        return status, (
            f"{len(ballots) - len(missing)} of {self.critiques} critiques could be read, "
            f"{self.quorum} are needed: {listed}"
        )

    def _verdict(
        self, outcome: float | None, right: int, votes: int, given: GivenOutcome | None
    ) -> Verdict | None:
        if given is not None:
            return given.verdict
        if outcome is None:
            return None
        if outcome == 0.5:
            said = Outcome.UNDECIDED
        else:
            said = Outcome.CORRECT if outcome > 0.5 else Outcome.INCORRECT
        reason = f"{right} of {votes} critiques call the final answer correct."
        return Verdict(said, reason, _STAGE)

    def _confidence(
        self, critiques: Sequence[Critique], right: int, given: GivenOutcome | None
    ) -> Confidence | None:
        if given is not None:
            return given.confidence
        if not self.asks_for_answer:
            right = sum(not critique.errors for critique in critiques)
        return confidence_from_votes(right, len(critiques))

    def _warnings(
        self,
        critiques: Sequence[Critique],
        cast: StepVotes,
        wrongness: Sequence[float],
        outcome: float | None,
    ) -> list[str]:
        warnings = []
        if outcome is not None and outcome < 0.5 and not any(wrongness):
            warnings.append("The response is wrong, but no step is called wrong.")
        split = [step for step, count in enumerate(cast.counts, 1) if 2 * count == cast.votes]
        if split:
            warnings.append(f"The critiques are evenly split on {_named(split)}.")
        unknown = sorted({step for critique in critiques for step in critique.unknown_steps})
        if unknown:
            warnings.append(f"Critiques named steps that do not exist: {_named(unknown)}.")
        return warnings


def _readable(ballots: Sequence[Ballot]) -> list[Critique]:
    return [ballot.critique for ballot in ballots if ballot.critique is not None]


def _right_answers(critiques: Sequence[Critique]) -> int:
    return sum(critique.answer_is_correct is True for critique in critiques)


def _steps(
    spans: Sequence[StepSpan],
    cast: StepVotes,
    wrongness: Sequence[float],
    rewards: Sequence[float],
    critiques: Sequence[Critique],
) -> tuple[Step, ...]:
    steps = []
    for number, span in enumerate(spans, 1):
        wrong = wrongness[number - 1]
        if wrong == 0.5:
            outcome = Outcome.UNDECIDED
        else:
            outcome = Outcome.INCORRECT if wrong > 0.5 else Outcome.CORRECT
        said = dict.fromkeys(c.errors[number] for c in critiques if number in c.errors)
        steps.append(
            Step(
                span.start,
                span.end,
                1.0 - cast.counts[number - 1] / cast.votes,
                outcome,
                "\n".join(said),
                rewards[number - 1],
            )
        )
    return tuple(steps)


def _named(steps: Sequence[int]) -> str:
    listed = ", ".join(str(step)[:20] for step in steps[:10])
    more = ", …" if len(steps) > 10 else ""
    return f"step {listed}" if len(steps) == 1 else f"steps {listed}{more}"
