"""Judges a group pairwise: every response against a reference drawn from the group itself.

Each comparison is asked in both orders and aggregated by probabilities (`judging.pairwise`);
the reward is the probability of being better than the reference, ties counting half, or the
outcome alone. It compares responses within a group and says nothing between groups.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel

from rewardsvc.engines.generation import Generator
from rewardsvc.judging.defences import Inspection
from rewardsvc.judging.fair_eval import balanced_scores, bpde, should_be_seen
from rewardsvc.judging.group_reference import TIE_REWARD, choose_reference
from rewardsvc.judging.pairwise import PairOutcome, aggregate_orders, by_perplexity
from rewardsvc.judging.prompts import JudgePrompt, pairwise_prompt, problem_text
from rewardsvc.scorers.judge_base import Judge
from rewardsvc.scorers.judge_pair_orders import (
    OUTCOME_REWARDS,
    Order,
    PairwiseJudgeConfig,
    win_of_scores,
)
from rewardsvc.scorers.judge_votes import Ballots, Reading, collect, confidence_of
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Evidence, Group, Response, Score, Status, TokenIds

__all__ = ["PairwiseJudge", "PairwiseJudgeConfig"]

_LARGEST_GROUP = 4096


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
        self._orders = [Order(config, candidate_first=False)]
        if config.both_orders:
            self._orders.append(Order(config, candidate_first=True))
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
        value = win if self._config.value == "win" else OUTCOME_REWARDS[outcome]
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
        return outcome, OUTCOME_REWARDS[outcome]

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
        win = win_of_scores(means.first, means.second, self._config.scale.numbers)
        return means.outcome, win

    async def _accepts(self, prompt: JudgePrompt, reference: str, canary: str) -> bool | None:
        """Whether the judge takes a worthless response for as good as the reference."""
        orders = await self._compare(prompt, canary, reference, votes=1)
        if any(not ballots.readings for ballots in orders):
            return None
        outcome, _ = self._aggregated(orders)
        return None if outcome is None else outcome is not PairOutcome.WORSE


def _mean_perplexity(readings: Sequence[Reading]) -> float | None:
    values = sorted(r.perplexity for r in readings if r.perplexity is not None)
    return sum(values) / len(values) if values else None
