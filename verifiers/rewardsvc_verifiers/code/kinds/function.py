"""Function calls: arguments go in, an encoded value comes out, and it is compared here."""

from __future__ import annotations

import reprlib
from dataclasses import replace
from functools import partial
from typing import Any

from rewardsvc_verifiers.code import codec
from rewardsvc_verifiers.code.equality import same
from rewardsvc_verifiers.code.kinds.trusted import TrustedProgram
from rewardsvc_verifiers.code.languages.base import Program
from rewardsvc_verifiers.code.programs.candidate import VALUE
from rewardsvc_verifiers.code.running import (
    Box,
    files,
    limit_status,
    outcome,
    retried,
    sandbox_error,
)
from rewardsvc_verifiers.code.suite import Function, FunctionTest, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox import channel
from rewardsvc_verifiers.sandbox.host import SandboxError
from rewardsvc_verifiers.verdict import TestOutcome, TestStatus


def run(program: Program, suite: TestSuite, toolbox: Toolbox) -> list[TestOutcome]:
    """Runs every call, each in a child of its own.

    Raises:
        CompileFailedError: the program does not compile.
    """
    kind = suite.kind
    assert isinstance(kind, Function)
    outcomes: list[TestOutcome] = []
    with (
        Box(toolbox, program, suite.limits) as box,
        TrustedProgram(kind.reference, "the reference", suite, toolbox) as reference,
        TrustedProgram(kind.checker or "", "the checker", suite, toolbox) as checker,
    ):
        box.job()
        for number, test in enumerate(kind.tests, start=1):
            name = f"call {number}"
            result = retried(partial(_one, box, suite, name, test, reference, checker))
            outcomes.append(result)
            if suite.stop_at_first_failure and result.status is not TestStatus.PASSED:
                break
    return outcomes


def _one(
    box: Box, suite: TestSuite, name: str, test: FunctionTest, reference: TrustedProgram,
    checker: TrustedProgram, wall_factor: int,
) -> TestOutcome:  # fmt: skip
    kind = suite.kind
    assert isinstance(kind, Function)
    arguments = codec.encode([list(test.arguments), dict(test.keywords)])
    with files(b"", arguments, None) as opened:
        try:
            ended = box.run(
                "call", {"function": kind.name, "module": "solution"}, opened.all, wall_factor
            )
        except SandboxError as error:
            return sandbox_error(name, error)
        trouble = limit_status(ended, suite.limits, opened)
        if trouble is not None:
            return outcome(name, ended, *trouble)
        answer = channel.read_all(opened.extra[1], codec.MAXIMUM_BYTES + 2)
    try:
        if not test.expected:
            test = replace(test, expected=(reference.call(kind.name, arguments),))
        difference = _difference(answer, kind, test, checker)
    except SandboxError as error:
        return sandbox_error(name, error)
    status = TestStatus.PASSED if difference is None else TestStatus.WRONG_ANSWER
    return outcome(name, ended, status, difference or "")


def _difference(
    answer: bytes, kind: Function, test: FunctionTest, checker: TrustedProgram
) -> str | None:
    if answer[:1] != VALUE:
        return answer[1:300].decode("utf-8", "replace") or "the function returned nothing readable"
    try:
        actual = codec.decode(answer[1:])
    except codec.CodecError as error:
        return f"the returned value cannot be read: {error}"
    if kind.checker is not None:
        given = [list(test.arguments), actual, test.expected[0]]
        return None if checker.asks(given) else "the checker says no"
    for expected in test.expected:
        if same(
            actual, expected, absolute=kind.absolute_tolerance, relative=kind.relative_tolerance,
            tuples_equal_lists=kind.tuples_equal_lists,
        ):  # fmt: skip
            return None
    return f"returned {_shown(actual)} instead of {_shown(test.expected[0])}"


def _shown(value: Any) -> str:
    try:
        return reprlib.repr(value)[:200]
    except ValueError:  # an integer longer than Python prints
        return f"a {type(value).__name__} too long to show"
