"""What all judges share: defences, canaries, bias figures, and judging one response.

A response is refused before the model is asked (reward 0, with the rule), or judged by votes.
Missing votes never count: below the quorum the sample is abstained from, timed out, or in
error, with the reason. Each response has its own time and budget, so that a slow one holds up
no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import ClassVar, Protocol

from rewardsvc.engines.generation import Generator
from rewardsvc.engines.generators import generator_from_config
from rewardsvc.judging.biases import BiasWindow
from rewardsvc.judging.canaries import CanaryCounts
from rewardsvc.judging.defences import Finding, Inspection, inspect, signs_of_problem
from rewardsvc.judging.master_keys import bare_key
from rewardsvc.judging.prompts import PROMPT_VERSION, JudgePrompt, problem_text
from rewardsvc.judging.quoting import disarm
from rewardsvc.judging.second_listener import heard_twice
from rewardsvc.scorers.judge_canaries import CanaryProber
from rewardsvc.scorers.judge_settings import JudgeSettings
from rewardsvc.scorers.judge_votes import Ballots, Reader, Reading, collect, confidence_of
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.types import (
    Confidence,
    CriterionVerdict,
    Evidence,
    Group,
    Monitor,
    Outcome,
    Reference,
    Response,
    Score,
    ScorerDescription,
    Status,
    TokenIds,
    Usage,
    Verdict,
)
from rewardsvc.versions import version_of

__all__ = ["Conclusion", "Judge", "PointwiseJudge", "Question"]

_DEFENCES_VERSION = "defences-1"
_CONTENTLESS = ("empty", "punctuation_only", "master_key", "bare_heading")

_problem_signs = lru_cache(maxsize=256)(signs_of_problem)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What all readings say together."""

    value: float | None
    reason: str = ""
    verdict: Verdict | None = None
    criteria: tuple[CriterionVerdict, ...] = ()
    warnings: tuple[str, ...] = ()


class Question(Reader, Protocol):
    """How one response is asked about, and what the answers mean."""

    @property
    def prompt(self) -> JudgePrompt:
        """Asks about one response."""

    def conclude(self, readings: Sequence[Reading]) -> Conclusion:
        """From at least a quorum of readings; their order does not matter."""


class Judge:
    """The frame of a judge: model, defences, canaries, bias figures."""

    kind: ClassVar[str]
    range = (0.0, 1.0)
    needs_reference = False

    def __init__(
        self,
        name: str,
        settings: JudgeSettings,
        base_path: Path,
        generator: Generator | None = None,
    ) -> None:
        """`generator` takes the place of the configured one, for tests."""
        self.name = name
        self._settings = settings
        # One response a batch: a batch is answered as a whole, and judgements take their time.
        self.limits = BatchLimits(max_batch_samples=1, batches_in_flight=settings.samples_in_flight)
        self._generator = generator or generator_from_config(settings.model, base_path, name)
        self._prober = CanaryProber(name, settings.canaries)
        self._biases = BiasWindow(settings.bias_window)
        listener = settings.second_listener
        self._listener: Generator | None = None
        if listener is not None:
            self._listener = (
                self._generator
                if listener.model is None
                else generator_from_config(listener.model, base_path, f"{name}.second_listener")
            )

    @property
    def canaries(self) -> CanaryCounts:
        """Canary probes that were judged, and how many were accepted."""
        return self._prober.counts

    def monitors(self) -> list[Monitor]:
        """Live false-positive rate, and what the judge seems to pay for besides the work."""
        figures = self._biases.figures()
        values = {
            "judge_length_correlation": (
                figures.length_correlation,
                "Pearson correlation of score and log length",
            ),
            "judge_score_per_length_doubling": (
                figures.per_doubling,
                "score gained by doubling the length, at equal self-praise",
            ),
            "judge_score_for_self_praise": (
                figures.for_praise,
                "score gained by praising oneself, at equal length",
            ),
        }
        return [
            self._prober.monitor(),
            *(
                Monitor(name, value, figures.samples, scorer=self.name, note=note)
                for name, (value, note) in values.items()
            ),
        ]

    def describe(self) -> ScorerDescription:
        """How it judges; the version covers prompt, model, settings and defences."""
        settings = self._settings
        versions = [PROMPT_VERSION, _DEFENCES_VERSION, self._generator.version]
        if self._listener is not None:
            versions.append(self._listener.version)
        return ScorerDescription(
            self.name,
            self.kind,
            version_of(self.kind, settings, *versions),
            properties={
                "model": self._generator.version,
                "votes": str(settings.votes),
                "quorum": str(settings.least_votes),
                "defences": "on" if settings.defences else "off",
                "canaries": "off" if settings.canaries is None else "on",
                **self._properties(),
            },
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the model, and the second listener's; ConfigError for one that cannot be used."""
        await self._generator.start()
        if self._listener is not None and self._listener is not self._generator:
            await self._listener.start()

    async def close(self) -> None:
        """Frees everything; idempotent."""
        await self._prober.close()
        await self._generator.close()
        if self._listener is not None:
            await self._listener.close()

    def _properties(self) -> dict[str, str]:
        return {}

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._settings.seconds_per_sample

    def _inspect(self, text: str, problem: str, reference: Reference | None) -> Inspection:
        if not self._settings.defences:
            return Inspection()
        answers = () if reference is None else (*reference.answers, reference.response)
        return inspect(text, _problem_signs(problem), answers)

    def _refused(self, finding: Finding) -> Score:
        """The lowest score, for a response that the model is not asked about."""
        empty = finding.rule in _CONTENTLESS
        reason = f"Refused before judging ({finding.rule}): {finding.reason}."
        outcome = Outcome.NO_ANSWER if empty else Outcome.INCORRECT
        verdict = Verdict(outcome, reason, "defence")
        return Score(Status.OK, 0.0, reason, verdict=verdict, evidence=Evidence(usage=Usage()))

    def _warnings(self, text: str, inspection: Inspection) -> list[str]:
        warnings = [
            f"The response may speak to its judge ({finding.rule}): {finding.reason}."
            for finding in inspection.warnings
        ]
        if disarmed := disarm(text)[1]:
            warnings.append(
                f"The response holds {disarmed} control tokens or characters; they were made "
                "harmless."
            )
        return warnings

    def _no_text(self) -> Score:
        return Score.unscored(Status.ERROR, f"The judge {self.name!r} needs text, not token ids.")


class PointwiseJudge(Judge):
    """A judge that looks at one response at a time."""

    def _question(self, problem: str, reference: Reference | None) -> Question | str:
        """How to ask, or why this reference cannot be used."""
        raise NotImplementedError

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Judges every response at the same time."""
        async with asyncio.TaskGroup() as tasks:
            scores = [
                [tasks.create_task(self._score(group, response)) for response in group.responses]
                for group in groups
            ]
        return [[task.result() for task in row] for row in scores]

    async def _score(self, group: Group, response: Response) -> Score:
        text = response.text
        if isinstance(text, TokenIds) or isinstance(group.prompt, TokenIds):
            return self._no_text()
        problem, reference = problem_text(group.prompt), group.reference_of(response)
        question = self._question(problem, reference)
        if isinstance(question, str):
            return Score.unscored(Status.ERROR, question)
        inspection = self._inspect(text, problem, reference)
        if inspection.refusal is not None:
            return self._refused(inspection.refusal)
        deadline = self._deadline()
        ballots = await self._judge(question, text, deadline)
        evidence = Evidence(warnings=tuple(self._warnings(text, inspection)))
        score = ballots.lacking(self._settings.least_votes)
        if score is None:
            conclusion = question.conclude(ballots.readings)
            evidence = replace(
                evidence,
                criteria=conclusion.criteria,
                warnings=(*evidence.warnings, *conclusion.warnings),
            )
            score = _score_of(conclusion, confidence_of(ballots.readings))
        if score.value is not None:
            self._biases.add(text, score.value)
            if self._listener is not None:
                score, warnings, cost = await self._hear(question, text, ballots, score, deadline)
                ballots += Ballots((), cost)
                evidence = replace(evidence, warnings=(*evidence.warnings, *warnings))
        gold = () if reference is None else reference.answers
        self._prober.judged(1, partial(self._accepts, question, gold))
        votes = tuple(ballot.vote for ballot in ballots.ballots)
        return replace(score, evidence=replace(evidence, votes=votes, usage=ballots.usage))

    async def _judge(
        self, question: Question, text: str, deadline: float, votes: int | None = None
    ) -> Ballots:
        settings = self._settings
        return await collect(
            self._generator,
            question.prompt.about(("response", text)),
            question,
            settings,
            deadline,
            votes=votes or settings.votes,
            temperature=settings.sampling_temperature if votes is None else 0.0,
        )

    async def _hear(
        self, question: Question, text: str, ballots: Ballots, score: Score, deadline: float
    ) -> tuple[Score, tuple[str, ...], Usage]:
        """The score with its confidence after the second listener has re-read the reasoning."""
        settings = self._settings.second_listener
        assert settings is not None
        assert self._listener is not None
        assert score.value is not None
        assert score.confidence is not None
        reasoning = next(ballot.text for ballot in ballots.ballots if ballot.reading is not None)
        heard = await collect(
            self._listener,
            question.prompt.about(("response", text), heard=reasoning),
            question,
            self._settings,
            deadline,
            votes=1,
            temperature=0.0,
        )
        second = next((reading.score for reading in heard.readings), None)
        if second is None:
            why = heard.ballots[0].failure or "it gave no score"
            return score, (f"The second listener was not heard: {why}.",), heard.usage
        warnings: tuple[str, ...] = ()
        if abs(score.value - second) >= settings.warn_above:
            warnings = (
                f"A person should look: the second listener gives {second:.3g}, the judge "
                f"{score.value:.3g}.",
            )
        confidence = heard_twice(score.confidence, score.value, second, settings.weight)
        return replace(score, confidence=confidence), warnings, heard.usage

    async def _accepts(self, question: Question, gold: Sequence[str], canary: str) -> bool | None:
        """Whether the judge takes a worthless response for right; None where it did not say."""
        if any(bare_key(answer) == bare_key(canary) for answer in gold):
            return None
        ballots = await self._judge(question, canary, self._deadline(), votes=1)
        reading = next(iter(ballots.readings), None)
        return None if reading is None else reading.right >= 0.5


def _score_of(conclusion: Conclusion, confidence: Confidence) -> Score:
    if conclusion.value is None:
        return Score.unscored(Status.ABSTAINED, conclusion.reason, conclusion.verdict)
    return Score(
        Status.OK, conclusion.value, conclusion.reason, confidence, verdict=conclusion.verdict
    )
