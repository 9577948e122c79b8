"""Judges a group pairwise: every response against a reference drawn from the group itself.

Each comparison is asked in both orders and aggregated by probabilities (`judging.pairwise`);
the reward is the probability of being better than the reference, ties counting half, or the
outcome alone. It compares responses within a group and says nothing between groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import exp
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from rewardsvc.engines.generation import Completion, Generator
from rewardsvc.judging.candidates import Masses
from rewardsvc.judging.defences import Inspection
from rewardsvc.judging.fair_eval import LOOK_AT, balanced_scores, bpde, should_be_seen
from rewardsvc.judging.group_reference import TIE_REWARD, choose_reference
from rewardsvc.judging.pairwise import PairOutcome, Preference, aggregate_orders, by_perplexity
from rewardsvc.judging.parsing import Unreadable, read_choice, read_pair
from rewardsvc.judging.prompts import PAIR_CHOICES, JudgePrompt, pairwise_prompt, problem_text
from rewardsvc.judging.rubric_scale import Scale
from rewardsvc.judging.voting import VoteRule
from rewardsvc.scorers.judge_base import Judge
from rewardsvc.scorers.judge_settings import JudgeSettings, ScaleSettings
from rewardsvc.scorers.judge_votes import Ballots, Reading, collect, confidence_of, masses_at
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Evidence, Group, Response, Score, Status, TokenIds

__all__ = ["PairwiseJudge", "PairwiseJudgeConfig"]

_LARGEST_GROUP = 4096
_DEFAULT_CRITERIA = (
    "The better response does more of what the problem asks for: it is more correct, more "
    "complete, more to the point, and more honest about what it does not know."
)
_REWARDS = {PairOutcome.BETTER: 1.0, PairOutcome.TIE: TIE_REWARD, PairOutcome.WORSE: 0.0}


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
class _Order:
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
        win = _win_of_scores(candidate, other, scale)
        right = _REWARDS[PairOutcome((candidate > other) - (candidate < other))]
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


class PairwiseJudge(Judge):
    """Scores responses in [0, 1]; the group's reference response has 1/2.

    A group that has fewer than two responses to compare is abstained from.
    """

    config_type: ClassVar[type[BaseModel]] = PairwiseJudgeConfig
    kind = "pairwise_judge"

    def __init__(
        self,
        name: str,
        config: PairwiseJudgeConfig,
        base_path: Path,
        *,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(name, config, base_path, generator)
        self._config = config
        # Groups must come whole, however large.
        self.limits = BatchLimits(
            max_batch_tokens=BatchLimits().max_queue_tokens,
            max_batch_samples=_LARGEST_GROUP,
            batches_in_flight=config.samples_in_flight,
        )
        self._orders = [_Order(config, candidate_first=False)]
        if config.both_orders:
            self._orders.append(_Order(config, candidate_first=True))
        self._places = asyncio.Semaphore(config.samples_in_flight)

    def _properties(self) -> dict[str, str]:
        config = self._config
        return {
            "orders": str(config.orders),
            "form": config.form,
            "aggregation": config.aggregation,
            "value": config.value,
        }

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Judges every group at the same time."""
        async with asyncio.TaskGroup() as tasks:
            scores = [tasks.create_task(self._score_group(group)) for group in groups]
        return [task.result() for task in scores]

    async def _score_group(self, group: Group) -> list[Score]:
        if isinstance(group.prompt, TokenIds):
            return [self._no_text() for _ in group.responses]
        problem = problem_text(group.prompt)
        inspections = [self._inspection(group, response, problem) for response in group.responses]
        texts = [
            None if inspection is None or inspection.refusal else str(response.text)
            for response, inspection in zip(group.responses, inspections, strict=True)
        ]
        chosen = choose_reference(problem, texts, self._config.seed)
        reference = None if chosen is None else texts[chosen]
        warnings = []
        if group.size > len(group.responses):
            warnings.append(
                f"{group.size - len(group.responses)} of the group's {group.size} responses are "
                "missing; the reference was drawn from those that are here."
            )
        async with asyncio.TaskGroup() as tasks:
            scores = [
                tasks.create_task(
                    self._score(group, problem, index, inspection, chosen, reference, warnings)
                )
                for index, inspection in enumerate(inspections)
            ]
        return [task.result() for task in scores]

    def _inspection(self, group: Group, response: Response, problem: str) -> Inspection | None:
        """None for a response that is no text."""
        if isinstance(response.text, TokenIds):
            return None
        return self._inspect(response.text, problem, group.reference_of(response))

    async def _score(
        self,
        group: Group,
        problem: str,
        index: int,
        inspection: Inspection | None,
        chosen: int | None,
        reference: str | None,
        group_warnings: Sequence[str],
    ) -> Score:
        response = group.responses[index]
        if inspection is None:
            return self._no_text()
        if inspection.refusal is not None:
            return self._refused(inspection.refusal)
        if reference is None:
            return Score.unscored(
                Status.ABSTAINED,
                "A pairwise judge needs at least two responses to compare; this group has one.",
            )
        text = str(response.text)
        warnings = [*group_warnings, *self._warnings(text, inspection)]
        if text == reference:
            reason = (
                "It is the group's reference response."
                if index == chosen
                else "It is the same text as the group's reference response."
            )
            evidence = Evidence(warnings=tuple(warnings))
            return Score(Status.OK, TIE_REWARD, reason, evidence=evidence)
        shown = group.reference_of(response) if self._config.use_reference else None
        prompt = pairwise_prompt(
            self._config.criteria,
            problem,
            shown,
            reasoning=self._config.reasoning,
            scale=self._config.scale.numbers if self._config.form == "scores" else None,
        )
        async with self._places:
            orders = await self._compare(prompt, text, reference, self._config.votes)
        score = self._concluded(orders, warnings)
        if score.value is not None:
            self._biases.add(text, score.value)
        self._prober.judged(1, partial(self._accepts, prompt, reference))
        return score

    async def _compare(
        self, prompt: JudgePrompt, candidate: str, reference: str, votes: int
    ) -> list[Ballots]:
        deadline = self._deadline()
        async with asyncio.TaskGroup() as tasks:
            asked = [
                tasks.create_task(
                    collect(
                        self._generator,
                        prompt.about(*order.shown(candidate, reference)),
                        order,
                        self._settings,
                        deadline,
                        votes=votes,
                        temperature=self._settings.sampling_temperature,
                    )
                )
                for order in self._orders
            ]
        return [task.result() for task in asked]

    def _concluded(self, orders: Sequence[Ballots], warnings: Sequence[str]) -> Score:
        every = sum(orders, Ballots())
        evidence = Evidence(
            votes=tuple(ballot.vote for ballot in every.ballots),
            usage=every.usage,
            warnings=tuple(warnings),
        )
        for ballots in orders:
            if (lacking := ballots.lacking(self._settings.least_votes)) is not None:
                return replace(lacking, evidence=evidence)
        outcome, win = self._aggregated(orders)
        if outcome is None:
            reason = "The engine gave no log-probabilities to take a perplexity from."
            return replace(Score.unscored(Status.ABSTAINED, reason), evidence=evidence)
        outcomes = [
            order.preference(reading.masses).outcome
            for order, ballots in zip(self._orders, orders, strict=True)
            for reading in ballots.readings
            if reading.masses is not None
        ]
        if should_be_seen(outcomes, self._config.look_at_entropy):
            look = (
                f"A person should look: the judgements contradict each other (entropy "
                f"{bpde(outcomes):.3f} nats)."
            )
            evidence = replace(evidence, warnings=(*evidence.warnings, look))
        value = win if self._config.value == "win" else _REWARDS[outcome]
        against = {
            PairOutcome.BETTER: "better than",
            PairOutcome.TIE: "as good as",
            PairOutcome.WORSE: "worse than",
        }[outcome]
        return Score(
            Status.OK,
            value,
            f"Judged {against} the group's reference response.",
            confidence_of(every.readings),
            evidence=evidence,
        )

    def _aggregated(self, orders: Sequence[Ballots]) -> tuple[PairOutcome | None, float]:
        """Outcome and probability of winning, from the side of the candidate."""
        if self._config.form == "scores":
            return self._balanced(orders)
        means = [
            order.mean(ballots.readings)
            for order, ballots in zip(self._orders, orders, strict=True)
        ]
        if len(means) == 1:
            # The same order twice has the same sums as one order alone.
            together = aggregate_orders(means[0], means[0].swapped, self._config.tie_margin)
            return together.outcome, together.preference.win
        reference_first, candidate_first = means
        together = aggregate_orders(
            candidate_first, reference_first.swapped, self._config.tie_margin
        )
        if self._config.aggregation == "likelihood":
            return together.outcome, together.preference.win
        perplexities = [_mean_perplexity(ballots.readings) for ballots in orders]
        if perplexities[0] is None or perplexities[1] is None:
            return None, together.preference.win
        outcome = by_perplexity(
            candidate_first.outcome,
            perplexities[1],
            reference_first.swapped.outcome,
            perplexities[0],
            self._config.tie_margin,
        )
        return outcome, _REWARDS[outcome]

    def _balanced(self, orders: Sequence[Ballots]) -> tuple[PairOutcome | None, float]:
        """By the mean scores over both orders."""
        reference_first, candidate_first = (
            [reading.pair for reading in ballots.readings] for ballots in orders
        )
        # As they were shown: the reference's score is first in its order.
        swapped = [None if pair is None else (pair[1], pair[0]) for pair in reference_first]
        means = balanced_scores(candidate_first, swapped)
        if means is None:
            return None, TIE_REWARD
        win = _win_of_scores(means.first, means.second, self._config.scale.numbers)
        return means.outcome, win

    async def _accepts(self, prompt: JudgePrompt, reference: str, canary: str) -> bool | None:
        """Whether the judge takes a worthless response for as good as the reference."""
        orders = await self._compare(prompt, canary, reference, votes=1)
        if any(not ballots.readings for ballots in orders):
            return None
        outcome, _ = self._aggregated(orders)
        return None if outcome is None else outcome is not PairOutcome.WORSE


def _win_of_scores(candidate: float, other: float, scale: Scale) -> float:
    """1/2 for equal scores, 1 and 0 where they are as far apart as the scale allows."""
    return 0.5 + (candidate - other) / (2 * (scale.maximum - scale.minimum))


def _perplexity(completion: Completion) -> float | None:
    """exp of the mean negative log-probability of the tokens, at least 1."""
    tokens = completion.tokens
    if not tokens:
        return None
    mean = sum(min(token.log_probability, 0.0) for token in tokens) / len(tokens)
    return exp(min(-mean, 700.0))


def _mean_perplexity(readings: Sequence[Reading]) -> float | None:
    values = sorted(r.perplexity for r in readings if r.perplexity is not None)
    return sum(values) / len(values) if values else None
