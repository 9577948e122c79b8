"""What every rule-based verifier answers: an outcome, and why.

A verdict is data, also when the verifier itself failed. `undecided` and `error` are never
to be read as `incorrect`: the caller decides what a sample without a judgement is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """What a verifier concluded about one response."""

    CORRECT = "correct"
    INCORRECT = "incorrect"
    UNDECIDED = "undecided"
    """The verifier ran and could not tell, within its limits."""
    NO_ANSWER = "no_answer"
    """The response declares no final answer."""
    ERROR = "error"
    """The verifier, the reference or the sandbox failed; the response was not judged."""


class TestStatus(StrEnum):
    """How one test of a code verifier ended."""

    __test__ = False  # the name is not a pytest class

    PASSED = "passed"
    WRONG_ANSWER = "wrong_answer"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    COMPILE_ERROR = "compile_error"
    SANDBOX_ERROR = "sandbox_error"


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """One test's outcome: status, cost, and a message for people."""

    __test__ = False

    name: str
    status: TestStatus
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of verifying one response, with everything needed to trust it."""

    outcome: Outcome
    reason: str
    """One sentence for people: why this outcome."""
    stage: str
    """The stage of the verifier that decided, e.g. `extraction`, `string`, `numeric`."""
    answer: str | None = None
    """The answer found in the response, as written there; None when there is none."""
    reference: str | None = None
    """The reference that decided, as given, when there were several."""
    answer_type: str = ""
    """The kind of answer compared, e.g. `integer`, `set`, `interval`; empty when unknown."""
    policy: str = ""
    """Name of the policy in force."""
    tests: tuple[TestOutcome, ...] = ()
    """Each test's outcome, for verifiers that run tests."""

    @property
    def decided(self) -> bool:
        """Whether the response was judged: correct, incorrect, or without an answer."""
        return self.outcome in (Outcome.CORRECT, Outcome.INCORRECT, Outcome.NO_ANSWER)
