"""Scores programs by the code verifier: tests in sandboxes, a verdict that cannot be forged.

Runs have their own worker pool and limits; how long a response may wait for a worker is apart
from how long it may run. What cannot be judged is an error or abstained from, never scored 0.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from rewardsvc_verifiers.code import CodeVerifier, Limits, TestSuite
from rewardsvc_verifiers.code.formats.errors import FormatError
from rewardsvc_verifiers.code.formats.registry import parse_suite
from rewardsvc_verifiers.code.languages import LANGUAGES
from rewardsvc_verifiers.code.rewards import (
    PassRates,
    all_or_nothing,
    difficulty_weighted,
    fraction_passed,
)
from rewardsvc_verifiers.code.verifier import VERSION
from rewardsvc_verifiers.sandbox import Level, SandboxUnavailableError

from rewardsvc.errors import ConfigError
from rewardsvc.scorers.scorer import BatchLimits, weigh_by_characters
from rewardsvc.scorers.verdicts import VerdictValues
from rewardsvc.types import Group, Response, Score, ScorerDescription, Status, Verdict
from rewardsvc.versions import version_of

MEBIBYTE = 1024 * 1024
Value = TypeVar("Value")


class CodeConfig(BaseModel):
    """Configuration of the code scorer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["code"] = "code"
    workers: int = Field(2, ge=1, le=256, description="Programs judged at a time; one per core.")
    minimum_level: Literal["rlimits", "namespaces", "landlock", "full"] | None = Field(
        None, description="Weakest isolation accepted; any but rlimits when absent."
    )
    language: str = Field("python", description="Language of suites that do not say.")
    reward: Literal["all_or_nothing", "fraction_passed", "difficulty_weighted"] = "all_or_nothing"
    cpu_seconds: float = Field(4.0, gt=0, le=600, description="CPU time of one test.")
    memory_mebibytes: int = Field(1024, ge=64, le=65536, description="Of one test.")
    output_mebibytes: int = Field(16, ge=1, le=1024, description="Of one test.")
    numpy: bool = Field(False, description="Whether Python programs may import numpy.")
    queue_seconds: float = Field(
        300.0, gt=0, description="Longest wait for a worker; not counted against any limit."
    )
    cached_verdicts: int = Field(8192, ge=0, description="Verdicts kept for identical requests.")
    maximum_tests: int | None = Field(None, ge=1, description="Use only the first so many tests.")
    values: VerdictValues = VerdictValues()


class CodeScorer:
    """Runs each response's program against the tests of its reference."""

    config_type: ClassVar[type[BaseModel]] = CodeConfig
    needs_reference = True
    # Batches overlap, so that one slow program does not hold up the others' answers.
    limits = BatchLimits(max_batch_samples=64, batches_in_flight=32)

    def __init__(self, name: str, config: CodeConfig, base_path: Path) -> None:
        if config.language not in LANGUAGES:
            raise ConfigError(
                f"scorers.{name}.language: {config.language!r} is unknown; known:"
                f" {', '.join(sorted(LANGUAGES))}"
            )
        self.name = name
        self.range = config.values.range if config.reward == "all_or_nothing" else (0.0, 1.0)
        self._config = config
        self._limits = Limits(
            cpu_seconds=config.cpu_seconds,
            memory_bytes=config.memory_mebibytes * MEBIBYTE,
            output_bytes=config.output_mebibytes * MEBIBYTE,
        )
        self._verifier: CodeVerifier | None = None
        self._suites: OrderedDict[str, TestSuite] = OrderedDict()
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._rates: OrderedDict[str, PassRates] = OrderedDict()

    def describe(self) -> ScorerDescription:
        """Kind, version, and the isolation in force."""
        properties = {"reward": self._config.reward, "verifier": VERSION}
        if self._verifier is not None:
            found = self._verifier.capabilities
            properties["isolation_level"] = self._verifier.level.name.lower()
            properties["isolation_missing"] = "; ".join(found.missing)[:500]
        return ScorerDescription(
            self.name, "code", version_of("code", self._config, VERSION), properties=properties
        )

    def weigh(self, group: Group) -> list[int]:
        """By characters; the prompt is never looked at."""
        return weigh_by_characters(group, with_prompt=False)

    async def start(self) -> None:
        """Probes the isolation and starts the workers; ConfigError where it is too weak."""
        if self._verifier is not None:
            return
        minimum = self._config.minimum_level
        level = None if minimum is None else Level[minimum.upper()]
        try:
            self._verifier = await asyncio.to_thread(CodeVerifier, self._config.workers, level)
        except SandboxUnavailableError as error:
            raise ConfigError(f"scorers.{self.name}: {error}") from error

    async def close(self) -> None:
        """Ends the workers, when the programs that run have ended."""
        if self._verifier is not None:
            verifier, self._verifier = self._verifier, None
            await asyncio.to_thread(verifier.close)

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Judges every response; trouble with one is its own score."""
        return list(await asyncio.gather(*(self._score_group(group) for group in groups)))

    async def _score_group(self, group: Group) -> list[Score]:
        judged = await asyncio.gather(*(self._judge(group, r) for r in group.responses))
        if self._config.reward == "difficulty_weighted":
            return self._weigh_by_difficulty(judged)
        return [self._score(*pair) for pair in judged]

    async def _judge(self, group: Group, response: Response) -> tuple[Verdict | str, str]:
        """A verdict, or why there is none; and the key of the suite."""
        if not isinstance(response.text, str):
            return f"The code scorer {self.name!r} needs text, not token ids.", ""
        reference = group.reference_of(response)
        if reference is None or reference.tests is None:
            return f"The code scorer {self.name!r} needs a reference with tests.", ""
        if self._verifier is None:
            return f"The code scorer {self.name!r} is not started.", ""
        tests = reference.tests
        suite_key = hashlib.sha256(f"{tests.format}\0{tests.json}".encode()).hexdigest()
        try:
            suite = await self._suite(suite_key, tests.format, tests.json)
        except FormatError as error:
            return str(error), suite_key
        # Limits, options and the verifier's version are this scorer's own, and do not change.
        key = hashlib.sha256(f"{suite_key}\0{response.text}".encode("utf-8", "surrogatepass"))
        known = self._verdicts.get(key.hexdigest())
        if known is not None:
            self._verdicts.move_to_end(key.hexdigest())
            return known, suite_key
        verdict = await asyncio.wrap_future(
            self._verifier.submit(response.text, suite, queue_seconds=self._config.queue_seconds)
        )
        if verdict.decided:
            _keep(self._verdicts, key.hexdigest(), verdict, self._config.cached_verdicts)
        return verdict, suite_key

    async def _suite(self, key: str, format_name: str, text: str) -> TestSuite:
        suite = self._suites.get(key)
        if suite is None:
            options: dict[str, Any] = {
                "limits": self._limits,
                "language": self._config.language,
                "numpy": self._config.numpy,
            }
            if self._config.maximum_tests is not None and format_name in _TAKE_MAXIMUM:
                options["maximum_tests"] = self._config.maximum_tests
            suite = await asyncio.to_thread(parse_suite, format_name, text, **options)
            _keep(self._suites, key, suite, 512)
        return suite

    def _score(self, verdict: Verdict | str, suite_key: str) -> Score:
        if isinstance(verdict, str):
            return Score.unscored(Status.ERROR, verdict)
        if self._config.reward == "all_or_nothing" or all_or_nothing(verdict) is None:
            return self._config.values.score(verdict)
        return _dense(fraction_passed(verdict), verdict)

    def _weigh_by_difficulty(self, judged: Sequence[tuple[Verdict | str, str]]) -> list[Score]:
        """VeRPO's reward within each suite of the group; see `rewards.difficulty_weighted`."""
        scores = [self._score(*pair) for pair in judged]
        by_suite: dict[str, list[int]] = {}
        for position, (verdict, key) in enumerate(judged):
            if not isinstance(verdict, str):
                by_suite.setdefault(key, []).append(position)
        for key, positions in by_suite.items():
            group = [v for p in positions if not isinstance(v := judged[p][0], str)]
            rates = self._rates.get(key) or PassRates()
            rewards = difficulty_weighted(group, rates)
            rates.update(group)
            _keep(self._rates, key, rates, 65_536)
            for position, verdict, reward in zip(positions, group, rewards, strict=True):
                # Where no test tells the group apart, the shares passed are all equal.
                if reward is not None and scores[position].status is Status.OK:
                    scores[position] = _dense(reward, verdict)
        return scores


# Formats whose rows may hold hundreds of tests.
_TAKE_MAXIMUM = frozenset({"evalplus", "apps", "livecodebench", "prime", "sandbox_fusion"})


def _dense(value: float | None, verdict: Verdict) -> Score:
    if value is None:
        return Score.unscored(Status.ERROR, verdict.reason, verdict)
    return Score(Status.OK, value, verdict=verdict)


def _keep(cache: OrderedDict[str, Value], key: str, value: Value, most: int) -> None:
    """Keeps a value, forgetting what has not been used longest."""
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
