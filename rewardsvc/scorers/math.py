"""Scores mathematical answers by the rule-based math verifier.

The exact stages run here, on the event loop, which gets its turn back every few
milliseconds. What they leave undecided goes to pre-forked workers that are killed on the
pool's own clock; what those cannot settle in time is abstained from, never scored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator
from rewardsvc_verifiers.math import MathPolicy, MathVerifier, SymbolicTask, policy_names, rates
from rewardsvc_verifiers.math.symbolic import JOB as SYMBOLIC_JOB
from rewardsvc_verifiers.workers import JobStatus, WorkerPool

from rewardsvc.calibration.verifier_rates import RateInterval, confidence_of_verdict
from rewardsvc.errors import ConfigError
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.scorers.verdicts import VerdictValues
from rewardsvc.types import (
    Confidence,
    Group,
    Outcome,
    Response,
    Score,
    ScorerDescription,
    Status,
    Verdict,
)
from rewardsvc.versions import version_of

MEBIBYTE = 1024 * 1024
_SLICE_SECONDS = 0.005


class MathConfig(BaseModel):
    """Configuration of the math scorer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["math"] = "math"
    policy: str = Field("default", description="Name of a MathPolicy.")
    symbolic: bool = Field(True, description="Whether the symbolic stage runs, in workers.")
    workers: int = Field(1, ge=1, le=256)
    time_limit_seconds: float = Field(1.0, gt=0, le=60, description="Of one symbolic comparison.")
    memory_limit_mebibytes: int = Field(512, ge=64, le=65536, description="Of one worker.")
    patience_seconds: float = Field(
        5.0, gt=0, le=600, description="Longest wait of a batch for its symbolic comparisons."
    )
    error_rates: Path | None = Field(
        None,
        description="File of recorded error rates; those that come with the package if absent.",
    )
    prior: float = Field(
        0.5, gt=0, lt=1, description="Share of right responses to expect, for the confidence."
    )
    values: VerdictValues = VerdictValues()

    @field_validator("policy")
    @classmethod
    def _known_policy(cls, value: str) -> str:
        if value not in policy_names():
            raise ValueError(f"must be one of {', '.join(sorted(policy_names()))}")
        return value


class MathScorer:
    """Compares each response's declared answer with its reference answers."""

    config_type: ClassVar[type[BaseModel]] = MathConfig
    needs_reference = True
    # Batches overlap so that one that waits for a worker does not hold up the others.
    limits = BatchLimits(batches_in_flight=16)

    def __init__(self, name: str, config: MathConfig, base_path: Path) -> None:
        self.name = name
        self.range = config.values.range
        self._config = config
        self._policy = MathPolicy.named(config.policy)
        self._verifier = MathVerifier(self._policy)
        self._pool: WorkerPool | None = None
        self._rates = (
            rates.shipped()
            if config.error_rates is None
            else rates.ErrorRates.load(base_path / config.error_rates)
        )
        self._confidences: dict[tuple[str, str, bool], Confidence] = {}

    def describe(self) -> ScorerDescription:
        """Kind, version and policy."""
        return ScorerDescription(
            self.name,
            "math",
            version_of("math", self._config, repr(self._policy), self._rates.version),
            properties={"policy": self._policy.name, "error_rates": self._rates.version},
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters; the prompt is never looked at."""
        return weigh_by_characters(group, with_prompt=False)

    async def start(self) -> None:
        """Starts the workers and waits until one has answered; ConfigError if none can start."""
        if not self._config.symbolic or self._pool is not None:
            return
        self._pool = WorkerPool(
            self._config.workers,
            time_limit_seconds=self._config.time_limit_seconds,
            memory_limit_bytes=self._config.memory_limit_mebibytes * MEBIBYTE,
        )
        first = await asyncio.wrap_future(self._pool.submit(SYMBOLIC_JOB, {"pairs": []}))
        if first.status is not JobStatus.OK:
            raise ConfigError(f"scorers.{self.name}: no symbolic worker runs: {first.message}")

    async def close(self) -> None:
        """Kills the workers."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await asyncio.to_thread(pool.close)

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Decides what can be decided here, then waits for the workers, within limits."""
        verdicts: list[list[Verdict | SymbolicTask | str]] = []
        slice_end = time.monotonic() + _SLICE_SECONDS
        for group in groups:
            judged: list[Verdict | SymbolicTask | str] = []
            for response in group.responses:
                judged.append(self._attempt(group, response))
                if time.monotonic() > slice_end:
                    await asyncio.sleep(0)
                    slice_end = time.monotonic() + _SLICE_SECONDS
            verdicts.append(judged)
        tasks = [v for judged in verdicts for v in judged if isinstance(v, SymbolicTask)]
        settled = await self._settle(tasks)
        return [
            [self._score(settled[id(v)] if isinstance(v, SymbolicTask) else v) for v in judged]
            for judged in verdicts
        ]

    def _attempt(self, group: Group, response: Response) -> Verdict | SymbolicTask | str:
        """A verdict, a task for the workers, or why neither can be."""
        if not isinstance(response.text, str):
            return f"The math scorer {self.name!r} needs text, not token ids."
        reference = group.reference_of(response)
        if reference is None or not reference.answers:
            return f"The math scorer {self.name!r} needs a reference with at least one answer."
        try:
            prepared = self._verifier.prepare(reference.answers)
        except ValueError as error:
            return f"The math scorer {self.name!r} cannot use this reference: {error}"
        return self._verifier.attempt(response.text, prepared)

    async def _settle(self, tasks: Sequence[SymbolicTask]) -> dict[int, Verdict]:
        """The verdict of each task by its id; undecided for what was not done in time."""
        if not tasks:
            return {}
        if self._pool is None:
            return {id(task): task.undecided for task in tasks}
        futures = [asyncio.wrap_future(task.submit(self._pool)) for task in tasks]
        await asyncio.wait(futures, timeout=self._config.patience_seconds)
        verdicts = {}
        for task, future in zip(tasks, futures, strict=True):
            if future.done() and not future.cancelled():
                verdicts[id(task)] = task.resolve(future.result())
            else:
                future.cancel()
                verdicts[id(task)] = replace(
                    task.undecided,
                    reason="The symbolic comparison did not get its turn within "
                    f"{self._config.patience_seconds:g} s.",
                )
        return verdicts

    def _score(self, verdict: Verdict | str) -> Score:
        if isinstance(verdict, str):
            return Score.unscored(Status.ERROR, verdict)
        return self._config.values.score(verdict, self._confidence(verdict))

    def _confidence(self, verdict: Verdict) -> Confidence | None:
        """From the error rates of the verdict's stage and answer type."""
        accepted = verdict.outcome is Outcome.CORRECT
        if not accepted and verdict.outcome is not Outcome.INCORRECT:
            return None
        key = (verdict.stage, verdict.answer_type, accepted)
        confidence = self._confidences.get(key)
        if confidence is None:
            cell = self._rates.lookup(verdict.stage, verdict.answer_type)
            confidence = self._confidences[key] = confidence_of_verdict(
                accepted,
                RateInterval(*cell.false_positive_rate[:3]),
                RateInterval(*cell.false_negative_rate[:3]),
                self._config.prior,
            )
        return confidence
