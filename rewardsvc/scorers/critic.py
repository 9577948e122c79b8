"""Scores a response step by step by the votes of a generative critic (CAPO).

A language model critiques each response several times; the critiques vote on which steps are
wrong, and every step is paid by that vote and by whether the response as a whole is right.
Each response is scored by itself, within its own time and its own budget of tokens, so that a
slow one holds up no other. Missing votes never count as "no errors": below the quorum the
sample is abstained from, timed out, or in error, with the reason.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rewardsvc.critique.judgement import Ballot, GivenOutcome, Judge, Value
from rewardsvc.critique.parsing import UnreadableCritique, parse_critique, well_formed
from rewardsvc.critique.prompt import PROMPT_VERSION, CriticPrompt, critic_prompt, critique_schema
from rewardsvc.critique.steps import StepSpan, split_steps
from rewardsvc.engines.generation import (
    Completion,
    Generation,
    GenerationFailed,
    GenerationRequest,
    Generator,
)
from rewardsvc.engines.generators import GeneratorConfig, generator_from_config
from rewardsvc.judging.defences import inspect, signs_of_problem
from rewardsvc.judging.prompts import problem_text
from rewardsvc.scorers.math import MathConfig, MathScorer
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.types import (
    Evidence,
    Group,
    Outcome,
    Response,
    Score,
    ScorerDescription,
    Status,
    TokenIds,
    Usage,
    Verdict,
)
from rewardsvc.versions import version_of

__all__ = ["CriticConfig", "CriticScorer"]

_DEFENCES_VERSION = "defences-1"
_LEAST_TOKENS = 16
_DEFAULT_TEMPERATURE = 0.7

_problem_signs = lru_cache(maxsize=256)(signs_of_problem)


class CriticConfig(BaseModel):
    """Configuration of a critic; relative paths start at the file's folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["critic"] = "critic"
    model: GeneratorConfig = Field(description="The language model that critiques.")
    critiques: int = Field(4, ge=1, le=64, description="Critiques of each response.")
    vote: Literal["intersection", "majority", "strict_majority", "union", "average"] = Field(
        "majority",
        description="Which steps are wrong: those that all critiques name, at least half (as in "
        "CAPO), more than half, any; average weighs each step by its share of votes.",
    )
    quorum: int | None = Field(
        None,
        ge=1,
        description="Critiques that must be readable for a response to have a score; more than "
        "half when absent.",
    )
    outcome: Literal["critic", "math", "none"] = Field(
        "critic",
        description="Who says whether the response as a whole is right: the critiques' own "
        "verdict on the final answer, the math verifier, or nobody.",
    )
    math: MathConfig = Field(
        MathConfig(), description="Settings of the math verifier, for outcome: math."
    )
    whole_weight: float = Field(
        2.0, ge=0, allow_inf_nan=False, description="What a right response is worth (W_whole)."
    )
    process_weight: float = Field(
        1.0, gt=0, allow_inf_nan=False, description="What a wrong step costs (W_process)."
    )
    value: Value = Field(
        "mean_reward",
        description="Score of the response: the mean of its step rewards, or its share of right "
        "steps.",
    )
    decoding: Literal["guided", "free"] = Field(
        "guided",
        description="guided: the engine keeps the critique to a JSON schema; free: the critic "
        "thinks in its own words and ends with a verdict, for engines without guided decoding.",
    )
    longest_text: int | None = Field(
        None,
        ge=1,
        le=100_000,
        description="Longest review and longest error in characters, kept by guided decoding, so "
        "that a wordy critic is not cut off before its verdict; vLLM and SGLang can, OpenAI's "
        "own service refuses it.",
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="0 with one critique and 0.7 with several when absent.",
    )
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(
        1024, ge=_LEAST_TOKENS, le=131_072, description="Most tokens of one critique."
    )
    tokens_per_sample: int | None = Field(
        None,
        ge=1,
        description="Most tokens generated for one response, over all its critiques; "
        "critiques times max_tokens when absent.",
    )
    seconds_per_sample: float = Field(
        120.0,
        gt=0,
        le=86_400,
        description="Longest that the critiques of one response may take, waiting for the "
        "engine included.",
    )
    stop_early: bool = Field(
        True,
        description="Asks first for as many critiques as can settle a response, and for the "
        "others only when they could still change its score.",
    )
    maximum_steps: int = Field(
        64, ge=1, le=1024, description="Responses of more steps have neighbouring steps joined."
    )
    defences: bool = Field(
        True, description="Refuses empty, master-key and override responses without a call."
    )
    samples_in_flight: int = Field(
        64, ge=1, le=4096, description="Responses that are critiqued at a time."
    )

    @model_validator(mode="after")
    def _consistent(self) -> CriticConfig:
        if self.quorum is not None and self.quorum > self.critiques:
            raise ValueError(f"quorum is {self.quorum}; must be at most critiques")
        if self.critiques > 1 and self.temperature == 0:
            raise ValueError("temperature 0 would give the same critique every time")
        if self.tokens_per_critique < _LEAST_TOKENS:
            raise ValueError(
                f"tokens_per_sample is {self.tokens_per_sample}; must be at least "
                f"{_LEAST_TOKENS * self.critiques}, {_LEAST_TOKENS} for each critique"
            )
        if self.longest_text is not None and self.decoding == "free":
            raise ValueError("longest_text has no meaning for decoding free")
        if self.outcome != "math" and self.math != MathConfig():
            raise ValueError("math has no meaning unless outcome is math")
        return self

    @property
    def tokens_per_critique(self) -> int:
        """Most tokens of one critique, so that all of them stay within the budget."""
        if self.tokens_per_sample is None:
            return self.max_tokens
        return min(self.max_tokens, self.tokens_per_sample // self.critiques)

    @property
    def judge(self) -> Judge:
        """How the critiques are counted and paid."""
        return Judge(
            self.vote,
            self.critiques,
            self.quorum or self.critiques // 2 + 1,
            asks_for_answer=self.outcome == "critic",
            has_outcome=self.outcome != "none",
            whole_weight=self.whole_weight,
            process_weight=self.process_weight,
            value=self.value,
        )


class CriticScorer:
    """Critiques each response and scores its steps.

    `Step.reward` is CAPO's R = r_v W_whole − [step is wrong] W_process, `Step.score` the share
    of critiques that call the step right; `value` is the mean of the step rewards, or the share
    of right steps. A response that is blank or speaks to the critic instead of answering is not
    shown to the model: it has the lowest value there is, so that it never pays more than an
    honest attempt.
    """

    config_type: ClassVar[type[BaseModel]] = CriticConfig

    def __init__(
        self,
        name: str,
        config: CriticConfig,
        base_path: Path,
        *,
        generator: Generator | None = None,
    ) -> None:
        """`generator` takes the place of the configured one, for tests."""
        self.name = name
        self._config = config
        self._judge = config.judge
        self.range: tuple[float | None, float | None] = self._judge.range
        self.needs_reference = config.outcome == "math"
        # One response a batch: a batch is answered as a whole, and critiques take their time.
        self.limits = BatchLimits(max_batch_samples=1, batches_in_flight=config.samples_in_flight)
        self._generator = generator or generator_from_config(config.model, base_path, name)
        self._verifier = (
            MathScorer(name, config.math, base_path) if config.outcome == "math" else None
        )
        schema = critique_schema(
            self._judge.asks_for_answer, config.maximum_steps, config.longest_text
        )
        self._schema = json.dumps(schema) if config.decoding == "guided" else ""
        first = self._judge.first_wave() if config.stop_early else config.critiques
        self._waves = [count for count in (first, config.critiques - first) if count]

    def describe(self) -> ScorerDescription:
        """How it votes; the version covers prompt, model, settings and the outcome's verifier."""
        versions = [PROMPT_VERSION, _DEFENCES_VERSION, self._generator.version]
        if self._verifier is not None:
            versions.append(self._verifier.describe().version)
        return ScorerDescription(
            self.name,
            "critic",
            version_of("critic-1", self._config, *versions),
            properties={
                "model": self._generator.version,
                "vote": self._config.vote,
                "critiques": str(self._config.critiques),
                "quorum": str(self._judge.quorum),
                "outcome": self._config.outcome,
                "value": self._config.value,
                "defences": "on" if self._config.defences else "off",
            },
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters."""
        return weigh_by_characters(group)

    async def start(self) -> None:
        """Starts the model and the verifier; ConfigError for one that cannot be used."""
        await self._generator.start()
        if self._verifier is not None:
            await self._verifier.start()

    async def close(self) -> None:
        """Frees both; idempotent."""
        await self._generator.close()
        if self._verifier is not None:
            await self._verifier.close()

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Critiques every response at the same time."""
        flat = [(group, response) for group in groups for response in group.responses]
        async with asyncio.TaskGroup() as tasks:
            scores = [tasks.create_task(self._score(*pair)) for pair in flat]
        remaining = iter(scores)
        return [[next(remaining).result() for _ in group.responses] for group in groups]

    async def _score(self, group: Group, response: Response) -> Score:
        text, prompt = response.text, group.prompt
        if isinstance(text, TokenIds) or isinstance(prompt, TokenIds):
            return Score.unscored(
                Status.ERROR, f"The critic {self.name!r} needs text, not token ids."
            )
        spans = split_steps(text)
        if not spans:
            return self._refused("The response is blank.")
        reference = group.reference_of(response)
        warnings = []
        if self._config.defences:
            signs = _problem_signs(problem_text(prompt))
            inspection = inspect(text, signs, () if reference is None else reference.answers)
            if inspection.refusal is not None:
                finding = inspection.refusal
                return self._refused(f"Refused ({finding.rule}): {finding.reason}.")
            warnings += [f"The response is suspicious: {w.reason}." for w in inspection.warnings]
        if len(spans) > self._config.maximum_steps:
            joined = split_steps(text, self._config.maximum_steps)
            warnings.append(f"{len(spans)} steps were joined to {len(joined)}.")
            spans = joined
        given = await self._given_outcome(group, response)
        if isinstance(given, Score):
            return given
        asked = critic_prompt(
            prompt,
            reference,
            text,
            spans,
            asks_for_answer=self._judge.asks_for_answer,
            guided=bool(self._schema),
        )
        if asked.disarmed:
            warnings.append(
                f"The response holds {asked.disarmed} control tokens or characters; they were "
                "made harmless."
            )
        ballots, usage = await self._critiques(asked, spans)
        return self._judge.score(ballots, spans, given, usage, warnings)

    def _refused(self, reason: str) -> Score:
        verdict = Verdict(Outcome.NO_ANSWER, reason, "defence")
        lowest = self._judge.range[0]
        return Score(Status.OK, lowest, reason, verdict=verdict, evidence=Evidence(usage=Usage()))

    async def _given_outcome(self, group: Group, response: Response) -> GivenOutcome | Score | None:
        """The verifier's outcome, a score without value where it has none; None without one."""
        if self._verifier is None:
            return None
        alone = Group(group.group_id, group.prompt, (response,), group.reference)
        [[judged]] = await self._verifier.score([alone])
        if judged.verdict is None or not judged.verdict.decided:
            reason = f"The outcome is not known: {judged.reason}"
            return Score.unscored(judged.status, reason, judged.verdict)
        return GivenOutcome(judged.verdict, judged.confidence)

    async def _critiques(
        self, asked: CriticPrompt, spans: Sequence[StepSpan]
    ) -> tuple[list[Ballot], Usage]:
        """Critiques until they are enough, or all, or out of time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.seconds_per_sample
        ballots: list[Ballot] = []
        usage = Usage()
        for wave, count in enumerate(self._waves):
            request = self._request(asked, count, wave)
            try:
                async with asyncio.timeout_at(deadline):
                    generation = await self._generator.generate(
                        request, seconds=max(deadline - loop.time(), 0.001)
                    )
            except TimeoutError:
                ballots += [_missing("the critic did not answer in time", Status.TIMEOUT)] * count
            except GenerationFailed as failure:
                status = Status.TIMEOUT if failure.timed_out else Status.ERROR
                ballots += [_missing(str(failure), status)] * count
            else:
                usage += generation.usage
                ballots += self._ballots(generation, count, asked, len(spans))
            if self._judge.is_settled(ballots, len(spans)):
                break
        return ballots, usage

    def _request(self, asked: CriticPrompt, count: int, wave: int) -> GenerationRequest:
        config = self._config
        temperature = config.temperature
        if temperature is None:
            temperature = _DEFAULT_TEMPERATURE if config.critiques > 1 else 0.0
        return GenerationRequest(
            asked.messages,
            samples=count,
            temperature=temperature,
            top_p=config.top_p,
            max_tokens=config.tokens_per_critique,
            json_schema=self._schema,
            # The same response gets the same critiques again; no wave gets another's.
            draw=wave,
        )

    def _ballots(
        self, generation: Generation, count: int, asked: CriticPrompt, steps: int
    ) -> list[Ballot]:
        completions = generation.completions[:count]
        ballots = [self._ballot(completion, asked, steps) for completion in completions]
        lacking = count - len(ballots)
        return ballots + [_missing("the engine gave fewer than asked for", Status.ERROR)] * lacking

    def _ballot(self, completion: Completion, asked: CriticPrompt, steps: int) -> Ballot:
        text = well_formed(completion.text)
        try:
            critique = parse_critique(
                text,
                completion.finish_reason,
                steps,
                asks_for_answer=self._judge.asks_for_answer,
                mark=None if self._schema else asked.mark,
            )
        except UnreadableCritique as error:
            return Ballot(text, None, str(error), Status.ABSTAINED)
        return Ballot(text, critique)


def _missing(failure: str, status: Status) -> Ballot:
    return Ballot("", None, failure, status)
