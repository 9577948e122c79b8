"""One order of showing two responses: what is asked, and what the answers mean.

Everything is read from the side of the candidate, whichever place it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from typing import Literal

from pydantic import Field, model_validator

from rewardsvc.engines.generation import Completion
from rewardsvc.judging.candidates import Masses
from rewardsvc.judging.fair_eval import LOOK_AT
from rewardsvc.judging.group_reference import TIE_REWARD
from rewardsvc.judging.pairwise import PairOutcome, Preference
from rewardsvc.judging.parsing import Unreadable, read_choice, read_pair
from rewardsvc.judging.prompts import PAIR_CHOICES
from rewardsvc.judging.rubric_scale import Scale
from rewardsvc.judging.voting import VoteRule
from rewardsvc.scorers.judge_settings import JudgeSettings, ScaleSettings
from rewardsvc.scorers.judge_votes import Reading, masses_at

__all__ = ["OUTCOME_REWARDS", "Order", "PairwiseJudgeConfig", "win_of_scores"]

_DEFAULT_CRITERIA = (
    "The better response does more of what the problem asks for: it is more correct, more "
    "complete, more to the point, and more honest about what it does not know."
)
OUTCOME_REWARDS = {PairOutcome.BETTER: 1.0, PairOutcome.TIE: TIE_REWARD, PairOutcome.WORSE: 0.0}


class PairwiseJudgeConfig(JudgeSettings):
    """Configuration of a judge that compares the responses of a group."""

    kind: Literal["pairwise_judge"] = "pairwise_judge"
    criteria: str = Field(_DEFAULT_CRITERIA, min_length=1, description="What makes one better.")
    both_orders: bool = Field(
        True, description="Asks with either response first; one order alone favours a position."
    )
    form: Literal["choice", "scores"] = Field(
        "choice",
        description="choice: A, B or TIE; scores: a number for each response (FairEval).",
    )
    scale: ScaleSettings = Field(
        ScaleSettings(minimum=1, maximum=10), description="Of the numbers of form: scores."
    )
    aggregation: Literal["likelihood", "perplexity"] = Field(
        "likelihood",
        description="likelihood: adds the probabilities of both orders; perplexity: trusts the "
        "order whose judgement was written with lower perplexity.",
    )
    tie_margin: float = Field(
        0.05, ge=0, le=1, description="Smaller differences are a tie (TrustJudge's δ)."
    )
    value: Literal["win", "outcome"] = Field(
        "win", description="win: the probability of being better; outcome: 1, 1/2 or 0."
    )
    look_at_entropy: float = Field(
        LOOK_AT, ge=0, description="Entropy of the votes (BPDE, nats) that a person should see."
    )
    seed: int = Field(0, description="Another one draws other references.")
    use_reference: bool = Field(True, description="Shows the sample's reference, if any.")

    @model_validator(mode="after")
    def _possible(self) -> PairwiseJudgeConfig:
        if self.second_listener is not None:
            raise ValueError("second_listener: a pairwise judge has none")
        if self.aggregation == "perplexity" and not (self.both_orders and self.log_probabilities):
            raise ValueError("aggregation: perplexity needs both_orders and log_probabilities")
        if self.form == "scores" and not (self.both_orders and self.aggregation == "likelihood"):
            raise ValueError("form: scores needs both_orders and no other aggregation")
        return self

    @property
    def orders(self) -> int:
        """Orders in which each judgement is asked for."""
        return 2 if self.both_orders else 1


@dataclass(frozen=True, slots=True)
class Order:
    """One order of showing; reads verdicts from the side of the candidate."""

    config: PairwiseJudgeConfig
    candidate_first: bool
    rule: VoteRule = VoteRule.MEAN

    @property
    def choices(self) -> tuple[str, ...]:
        return () if self.config.reasoning or self.config.form == "scores" else PAIR_CHOICES

    def shown(self, candidate: str, reference: str) -> tuple[tuple[str, str], tuple[str, str]]:
        first, second = (candidate, reference) if self.candidate_first else (reference, candidate)
        return ("response_A", first), ("response_B", second)

    def read(self, completion: Completion) -> Reading | Unreadable:
        if self.config.form == "scores":
            return self._read_scores(completion)
        parsed = read_choice(completion.text, PAIR_CHOICES, marked=self.config.reasoning)
        if isinstance(parsed, Unreadable):
            return parsed
        masses = masses_at(completion, parsed.start, PAIR_CHOICES)
        known = masses is not None
        if masses is None:
            masses = Masses({parsed.value: 1.0})
        elif masses.total < self.config.minimum_mass:
            return Unreadable(
                f"only {masses.total:.2f} of its probability is on a verdict, "
                f"{self.config.minimum_mass:g} needed"
            )
        win = self.preference(masses).win
        return Reading(
            win,
            win,
            (win,),
            from_probabilities=known,
            masses=masses,
            perplexity=_perplexity(completion),
        )

    def _read_scores(self, completion: Completion) -> Reading | Unreadable:
        scale = self.config.scale.numbers
        pair = read_pair(completion.text, scale, marked=self.config.reasoning)
        if isinstance(pair, Unreadable):
            return pair
        candidate, other = pair if self.candidate_first else (pair[1], pair[0])
        shown_first = "A" if pair[0] > pair[1] else "B" if pair[0] < pair[1] else "TIE"
        win = win_of_scores(candidate, other, scale)
        right = OUTCOME_REWARDS[PairOutcome((candidate > other) - (candidate < other))]
        masses = Masses({shown_first: 1.0})
        return Reading(win, right, (win,), masses=masses, pair=(candidate, other))

    def preference(self, masses: Masses) -> Preference:
        """From the side of the candidate."""
        a, b, tie = (masses.by_candidate.get(choice, 0.0) for choice in PAIR_CHOICES)
        shown_first = Preference.of(a, tie, b)
        return shown_first if self.candidate_first else shown_first.swapped

    def mean(self, readings: Sequence[Reading]) -> Preference:
        """The mean preference, from the side of the candidate."""
        preferences = [self.preference(r.masses) for r in readings if r.masses is not None]
        return Preference.of(
            *(
                sum(sorted(getattr(preference, side) for preference in preferences))
                for side in ("better", "tie", "worse")
            )
        )


def win_of_scores(candidate: float, other: float, scale: Scale) -> float:
    """1/2 for equal scores, 1 and 0 where they are as far apart as the scale allows."""
    return 0.5 + (candidate - other) / (2 * (scale.maximum - scale.minimum))


def _perplexity(completion: Completion) -> float | None:
    """exp of the mean negative log-probability of the tokens, at least 1."""
    tokens = completion.tokens
    if not tokens:
        return None
    mean = sum(min(token.log_probability, 0.0) for token in tokens) / len(tokens)
    return exp(min(-mean, 700.0))
