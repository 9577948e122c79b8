"""Standard input and output: the program sees the input, and nothing knows the output but us."""

from __future__ import annotations

from rewardsvc_verifiers.code import codec
from rewardsvc_verifiers.code.languages.base import CompileFailedError, Program
from rewardsvc_verifiers.code.languages.python import PLAIN
from rewardsvc_verifiers.code.programs.candidate import VALUE
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
    with Box(toolbox, program, suite.limits) as box:
        box.job()
        for number, test in enumerate(kind.tests, start=1):
            name = f"test {number}"
            result = retried(lambda t=test, n=name: _one(box, program, suite, toolbox, n, t))
            outcomes.append(result)
            if suite.stop_at_first_failure and result.status is not TestStatus.PASSED:
                break
    return outcomes


def _one(
    box: Box, program: Program, suite: TestSuite, toolbox: Toolbox, name: str, test: StdioTest
) -> TestOutcome:
    kind = suite.kind
    assert isinstance(kind, Stdio)
    with files(test.input_bytes) as opened:
        try:
            ended = box.run(program.mode, {}, opened.all)
        except SandboxError as error:
            return sandbox_error(name, error)
        trouble = limit_status(ended, suite.limits, opened)
        if trouble is not None:
            return outcome(name, ended, *trouble)
        output = channel.read_all(opened.output, suite.limits.output_bytes)
    if kind.checker is not None:
        try:
            difference = _ask_checker(kind.checker, test, output, suite, toolbox)
        except SandboxError as error:
            return sandbox_error(name, error)
    else:
        difference = kind.comparator.matches(output, test.output)
    status = TestStatus.PASSED if difference is None else TestStatus.WRONG_ANSWER
    return outcome(name, ended, status, difference or "")


def _ask_checker(
    checker: str, test: StdioTest, output: bytes, suite: TestSuite, toolbox: Toolbox
) -> str | None:
    """Runs the suite's own checker in a box that no candidate was in.

    Raises:
        SandboxError: the checker failed; that says nothing about the candidate.
    """
    program = Program(PLAIN, checker.encode(), "call")
    text = output.decode("utf-8", "backslashreplace")
    given = test.input if isinstance(test.input, str) else test.input.decode("utf-8", "replace")
    arguments = codec.encode([[given, text, test.output], {}])
    try:
        with (
            Box(toolbox, program, suite.limits) as box,
            files(b"", arguments, None) as opened,
        ):
            ended = box.run("call", {"function": "check", "module": "checker"}, opened.all)
            trouble = limit_status(ended, suite.limits, opened)
            if trouble is not None:
                raise SandboxError(f"the checker ended badly: {trouble[0]}: {trouble[1]}")
            answer = channel.read_all(opened.extra[1], 64)
    except CompileFailedError as error:
        raise SandboxError(f"the checker does not compile: {error}") from error
    if answer not in (VALUE + codec.encode(True), VALUE + codec.encode(False)):
        raise SandboxError("the checker must return True or False")
    return None if answer == VALUE + codec.encode(True) else "the checker says no"
