"""The code verifier: a response and a test suite in, a verdict that cannot be forged out.

Covers: the program runs in a box (see `sandbox.levels` for what each level covers); which tests
passed is decided in this process, or for scripts in a box the program never was in, from plain
data. Nothing the program does can make a verdict `correct` but giving right answers.
Does not cover: tests that accept wrong answers, programs that recognise the tests' inputs, and
hosts that offer no isolation (then nothing runs).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from concurrent.futures import Future
from types import TracebackType

from rewardsvc_verifiers.code.extraction import fenced_blocks, last_block
from rewardsvc_verifiers.code.kinds import KINDS
from rewardsvc_verifiers.code.languages import Language, language
from rewardsvc_verifiers.code.languages.base import CompileFailedError
from rewardsvc_verifiers.code.pool import WorkerPool
from rewardsvc_verifiers.code.suite import Function, Stdio, TestSuite
from rewardsvc_verifiers.code.workers import Shared, Toolbox
from rewardsvc_verifiers.sandbox.host import SandboxError
from rewardsvc_verifiers.sandbox.levels import Capabilities, Level, require
from rewardsvc_verifiers.sandbox.probe import capabilities
from rewardsvc_verifiers.verdict import Outcome, TestOutcome, TestStatus, Verdict

VERSION = "code-1"
"""Changes whenever a verdict could change; part of cache keys and of a result's versions."""

_MAXIMUM_SOURCE = 4 << 20


class CodeVerifier:
    """Judges programs in sandboxes. A context manager; all methods are thread safe.

    Args:
        workers: how many programs are judged at a time; one per core is right.
        minimum_level: refuse to start below this level; None accepts any but RLIMITS.
        level: use exactly this level where available, for tests; None takes the strongest.
        compile_cache_bytes: compiled programs kept in memory.

    Raises:
        ValueError: `workers` is below 1.
        SandboxUnavailableError: the machine offers less than `minimum_level`.
    """

    def __init__(
        self,
        workers: int = 2,
        minimum_level: Level | int | None = None,
        *,
        level: Level | int | None = None,
        compile_cache_bytes: int = 256 << 20,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        self.capabilities: Capabilities = capabilities()
        """What the probe found here, and what is missing for a stronger level."""
        minimum = None if minimum_level is None else Level(minimum_level)
        available = require(self.capabilities, minimum)
        self.level: Level = available if level is None else Level(level)
        """The isolation in force."""
        if level is not None:
            require(self.capabilities, self.level)
        self._shared = Shared(compile_cache_bytes)
        self._pool: WorkerPool[Toolbox, Verdict] = WorkerPool(
            workers, lambda: Toolbox(self.level, self._shared), Toolbox.close
        )

    def __enter__(self) -> CodeVerifier:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def close(self) -> None:
        """Cancels what waits, lets what runs finish, ends every process and removes every file."""
        self._pool.close()
        for directory in self._shared.directories.values():
            shutil.rmtree(directory, ignore_errors=True)

    @property
    def queued(self) -> int:
        """How many responses wait for a worker."""
        return self._pool.queued

    def verify(self, response: str, tests: TestSuite) -> Verdict:
        """Judges one response; trouble of any kind is a verdict, not an exception."""
        return self.submit(response, tests).result()

    def verify_batch(self, items: Iterable[tuple[str, TestSuite]]) -> list[Verdict]:
        """Judges many, as many at a time as there are workers; verdicts in order."""
        futures = [self.submit(response, tests) for response, tests in items]
        return [future.result() for future in futures]

    def submit(
        self, response: str, tests: TestSuite, *, queue_seconds: float | None = None
    ) -> Future[Verdict]:
        """Queues one response.

        Args:
            queue_seconds: how long it may wait for a worker, apart from the limits of its
                execution; then its verdict is `error` at stage `queue`. None waits.

        Raises:
            ValueError: the suite's language is unknown.
            RuntimeError: the verifier is closed.
        """
        spoken = language(tests.language)
        return self._pool.submit(
            lambda toolbox: _judge(response, tests, spoken, toolbox),
            expired=lambda: _error(f"no worker was free within {queue_seconds:g} s", "queue"),
            queue_seconds=queue_seconds,
        )


def _error(reason: str, stage: str) -> Verdict:
    return Verdict(Outcome.ERROR, reason, stage)


def _judge(response: str, suite: TestSuite, spoken: Language, toolbox: Toolbox) -> Verdict:
    missing = spoken.missing()
    if missing is not None:
        return _error(missing, "language")
    found = extract(response, suite, spoken)
    if found is None:
        return Verdict(
            Outcome.NO_ANSWER, f"the response holds no {spoken.name} program", "extraction"
        )
    source, fenced = found
    if len(source) > _MAXIMUM_SOURCE:
        return Verdict(
            Outcome.INCORRECT, f"the program is longer than {_MAXIMUM_SOURCE} characters",
            "extraction", answer=None,
        )  # fmt: skip
    try:
        program = spoken.build(source, suite, toolbox, suite.limits)
        outcomes = KINDS[type(suite.kind)](program, suite, toolbox)
    except CompileFailedError as error:
        return _not_compiled(source, fenced, str(error), suite)
    except (SandboxError, OSError, ValueError) as error:
        return _error(f"{type(error).__name__}: {error}"[:500], "sandbox")
    return conclude(source, outcomes)


def extract(response: str, suite: TestSuite, spoken: Language) -> tuple[str, bool] | None:
    """The whole source to run, and whether it was fenced; None when there is nothing to run."""
    fenced = suite.extraction != "whole" and bool(fenced_blocks(response))
    if fenced:
        block = last_block(response, spoken.fence_tags)
        if block is None:
            return None
        code = block.text
    elif suite.extraction == "fenced" or not response.strip():
        return None
    else:
        code = response
    if not suite.prefix:
        return code, fenced
    continues = suite.completion_of and not _defines(code, suite.completion_of)
    return suite.prefix + ("" if continues else "\n") + code, fenced


def _defines(code: str, name: str) -> bool:
    """Whether some line starts a definition of the name; text only, nothing is parsed."""
    heads = (f"def {name}", f"class {name}", f"{name} =", f"{name}=", f"async def {name}")
    for line in code.splitlines():
        for head in heads:
            if line.startswith(head) and not line[len(head) : len(head) + 1].isidentifier():
                return True
    return False


def _not_compiled(source: str, fenced: bool, message: str, suite: TestSuite) -> Verdict:
    if not fenced and suite.extraction == "auto" and not suite.prefix:
        return Verdict(
            Outcome.NO_ANSWER,
            "the response has no fenced block, and the whole of it does not compile:"
            f" {message[:300]}",
            "compile",
        )
    kind = suite.kind
    if isinstance(kind, Stdio):
        names = [f"test {number}" for number in range(1, len(kind.tests) + 1)]
    elif isinstance(kind, Function):
        names = [f"call {number}" for number in range(1, len(kind.tests) + 1)]
    else:
        names = ["script"]
    tests = tuple(TestOutcome(name, TestStatus.COMPILE_ERROR, message=message) for name in names)
    return Verdict(
        Outcome.INCORRECT, f"does not compile: {message[:500]}", "compile", answer=source,
        tests=tests,
    )  # fmt: skip


def conclude(source: str, outcomes: list[TestOutcome]) -> Verdict:
    """The verdict that tests' outcomes add up to.

    One failed test decides, whatever became of the others; without one, a test that could not
    be run leaves the response unjudged.
    """
    tests = tuple(outcomes)
    passed = sum(test.status is TestStatus.PASSED for test in tests)
    broken = [test for test in tests if test.status is TestStatus.SANDBOX_ERROR]
    failed = [
        test for test in tests if test.status not in (TestStatus.PASSED, TestStatus.SANDBOX_ERROR)
    ]
    if failed:
        first = failed[0]
        reason = f"{passed} of {len(tests)} tests passed; {first.name}: {first.status.value}" + (
            f", {first.message}" if first.message else ""
        )
        outcome = Outcome.INCORRECT
    elif broken:
        reason = f"{len(broken)} of {len(tests)} tests could not be run: {broken[0].message}"
        outcome = Outcome.ERROR
    else:
        reason, outcome = f"all {len(tests)} tests passed", Outcome.CORRECT
    return Verdict(outcome, reason[:1000], "tests", answer=source, tests=tests)
