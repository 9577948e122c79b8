"""Standard input and output: the program sees the input, and nothing knows the output but us."""

from __future__ import annotations

from functools import partial

from rewardsvc_verifiers.code.kinds.trusted import TrustedProgram
from rewardsvc_verifiers.code.languages.base import Program
from rewardsvc_verifiers.code.running import (
    Box,
    files,
    limit_status,
    outcome,
    retried,
    sandbox_error,
)
from rewardsvc_verifiers.code.suite import Stdio, StdioTest, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox import channel
from rewardsvc_verifiers.sandbox.host import SandboxError
from rewardsvc_verifiers.verdict import TestOutcome, TestStatus


def run(program: Program, suite: TestSuite, toolbox: Toolbox) -> list[TestOutcome]:
    """Runs every test, each in a child of its own.

    Raises:
        CompileFailedError: the program does not compile.
    """
    kind = suite.kind
    assert isinstance(kind, Stdio)
    outcomes: list[TestOutcome] = []
    with (
        Box(toolbox, program, suite.limits) as box,
        TrustedProgram(kind.checker or "", "the checker", suite, toolbox) as checker,
    ):
        box.job()
        for number, test in enumerate(kind.tests, start=1):
            name = f"test {number}"
            result = retried(partial(_one, box, program, suite, checker, name, test))
            outcomes.append(result)
            if suite.stop_at_first_failure and result.status is not TestStatus.PASSED:
                break
    return outcomes


def _one(
    box: Box,
    program: Program,
    suite: TestSuite,
    checker: TrustedProgram,
    name: str,
    test: StdioTest,
    wall_factor: int,
) -> TestOutcome:
    kind = suite.kind
    assert isinstance(kind, Stdio)
    with files(test.input_bytes) as opened:
        try:
            ended = box.run(program.mode, {}, opened.all, wall_factor)
        except SandboxError as error:
            return sandbox_error(name, error)
        trouble = limit_status(ended, suite.limits, opened)
        if trouble is not None:
            return outcome(name, ended, *trouble)
        output = channel.read_all(opened.output, suite.limits.output_bytes)
    try:
        difference = _difference(output, test, kind, checker)
    except SandboxError as error:
        return sandbox_error(name, error)
    status = TestStatus.PASSED if difference is None else TestStatus.WRONG_ANSWER
    return outcome(name, ended, status, difference or "")


def _difference(output: bytes, test: StdioTest, kind: Stdio, checker: TrustedProgram) -> str | None:
    if kind.checker is None:
        return kind.comparator.matches(output, test.output)
    given = test.input if isinstance(test.input, str) else test.input.decode("utf-8", "replace")
    text = output.decode("utf-8", "backslashreplace")
    return None if checker.asks([given, text, test.output]) else "the checker says no"
