"""Asserts and pytest files: the tests in one box, the candidate in another, plain data between.

Covers: the box that decides never holds the candidate; a candidate that dies or hangs fails the
test it died in, and the tests after it run against a fresh copy in a new round.
Does not cover: tests whose outcome depends on what an earlier test left in the candidate, when
the candidate died in between: the fresh copy has no such state.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from rewardsvc_verifiers.code.languages.base import CompileFailedError, Program
from rewardsvc_verifiers.code.languages.python import PLAIN, PROGRAMS
from rewardsvc_verifiers.code.languages.python import with_package as python_with
from rewardsvc_verifiers.code.running import (
    ATTEMPTS,
    Box,
    Files,
    child_limits,
    cumulative,
    files,
    limit_status,
    sandbox_error,
)
from rewardsvc_verifiers.code.suite import Limits, Script, TestSuite
from rewardsvc_verifiers.code.workers import Toolbox
from rewardsvc_verifiers.sandbox import channel
from rewardsvc_verifiers.sandbox.host import Ended, SandboxError, Stop
from rewardsvc_verifiers.sandbox.profile import Profile
from rewardsvc_verifiers.verdict import TestOutcome, TestStatus

_MOST_ROUNDS = 200
_LARGEST_REPORT = 8 << 20
_TESTS_IN_ONE_PROCESS = 16
# A test's outcome is decided by dataset code; statuses it may report, and no other.
_REPORTED = {
    status.value: status for status in TestStatus if status is not TestStatus.COMPILE_ERROR
}


@dataclass
class _Progress:
    """What is known about the tests so far."""

    order: list[Any] = field(default_factory=list)
    names: dict[Any, str] = field(default_factory=dict)
    outcomes: dict[Any, TestOutcome] = field(default_factory=dict)
    skipped: set[Any] = field(default_factory=set)
    finished: bool = False
    trouble: TestOutcome | None = None
    """What went wrong outside any test: a test called `script`."""

    @property
    def decided(self) -> list[Any]:
        """Keys of the tests that need not run again."""
        return [*self.outcomes, *self.skipped]


def run(program: Program, suite: TestSuite, toolbox: Toolbox) -> list[TestOutcome]:
    """Runs the tests in rounds, until all are decided.

    Raises:
        CompileFailedError: the candidate does not compile.
    """
    kind = suite.kind
    assert isinstance(kind, Script)
    source = json.dumps({"source": kind.source, "preamble": kind.preamble}).encode()
    grader = Program(_grader_profile(kind), source, "grade")
    load = {
        "grader": "pytest" if kind.pytest else "asserts",
        "entry_points": list(kind.entry_points),
        "module": kind.module,
    }
    progress = _Progress()
    failures = 0
    with (
        Box(toolbox, program, suite.limits) as candidate,
        Box(toolbox, grader, suite.limits) as tests,
    ):
        candidate.job()
        for _ in range(_MOST_ROUNDS):
            before = len(progress.decided)
            try:
                tests.job(load)
                again = _round(candidate, tests, program, suite, load, progress, 3**failures)
            except CompileFailedError as error:
                return [sandbox_error("script", SandboxError(f"the tests do not compile: {error}"))]
            except SandboxError as error:
                progress.trouble = sandbox_error("script", error)
                candidate.drop()
                tests.drop()
                again = True
            if not again:
                break
            failures = failures + 1 if len(progress.decided) == before else 0
            if failures >= ATTEMPTS or (suite.stop_at_first_failure and _failed(progress)):
                break
    return _collected(progress)


def _failed(progress: _Progress) -> bool:
    return any(o.status is not TestStatus.PASSED for o in progress.outcomes.values())


def _grader_profile(kind: Script) -> Profile:
    if not kind.pytest:
        return PLAIN
    base = python_with("pytest")
    parent = base.import_paths[0]
    # pytest's own dependencies; whatever else is installed stays out of sight.
    beside = ("_pytest", "pluggy", "iniconfig", "packaging", "pygments", "py.py")
    paths = tuple(os.path.join(parent, name) for name in beside)
    return Profile(
        "pytest", PROGRAMS,
        preload=(*base.preload, "unittest", "rewardsvc_verifiers.code.programs.pytest_grader"),
        import_paths=base.import_paths,
        read=(*base.read, *(path for path in paths if os.path.exists(path))),
    )  # fmt: skip


def _round(
    candidate: Box, tests: Box, program: Program, suite: TestSuite, load: dict[str, Any],
    progress: _Progress, wall_factor: int,
) -> bool:  # fmt: skip
    """One grader against one candidate process. Returns whether another round is needed."""
    limits = suite.limits
    limits = replace(limits, wall_seconds=limits.wall * wall_factor)
    whole = cumulative(limits, _TESTS_IN_ONE_PROCESS)
    ours, theirs = socket.socketpair()
    with ours, theirs, files(b"", None) as mine, files(b"") as its:
        serving = candidate.job()
        serving.start(
            "serve", {"module": "solution", "cpu_per_call": limits.cpu_seconds},
            (*its.all, theirs.fileno()), child_limits(program, whole),
        )  # fmt: skip
        grading = tests.job(load)
        grading.start(
            "grade",
            {**load, "seconds_per_call": limits.wall, "decided": progress.decided},
            (*mine.all[:3], ours.fileno(), mine.extra[0]),
            child_limits(program, replace(whole, wall_seconds=whole.wall * 2)),
        )
        ours.close()
        theirs.close()
        graded = grading.wait()
        # A candidate that is still busy, or that clings to life, is of no more interest.
        idle = serving.kill()
        served = replace(serving.wait(), stop=Stop.NOT_STOPPED)
        return _read_report(mine, its, graded, served, idle, suite, progress)


def _read_report(
    mine: Files, its: Files, graded: Ended, served: Ended, idle: Stop, suite: TestSuite,
    progress: _Progress,
) -> bool:  # fmt: skip
    state = "cut"
    message = ""
    for line in _lines(channel.read_all(mine.extra[0], _LARGEST_REPORT)):
        if "tests" in line:
            names = line["tests"]
            keys = names if suite.kind.pytest else range(len(names))  # type: ignore[union-attr]
            progress.order = list(keys)
            progress.names = dict(zip(keys, names, strict=True))
        elif "test" in line:
            _note(line, served, idle, its, suite.limits, progress)
        elif "program" in line:
            state, message = line["program"], line.get("message", "")
    progress.trouble = None
    if state == "finished":
        progress.finished = True
        if suite.kind.pytest:  # type: ignore[union-attr]
            # pytest runs what it collects; what has no outcome was kept from running.
            _fail_unreached(progress)
        return False
    if state == "cut":
        trouble = limit_status(graded, cumulative(suite.limits, _TESTS_IN_ONE_PROCESS), mine)
        if trouble is None and _died_in_a_test(progress):
            return True
        status, text = trouble or (TestStatus.SANDBOX_ERROR, "the grader ended early")
        progress.trouble = TestOutcome("script", status, graded.cpu_seconds, message=text)
        return status is TestStatus.SANDBOX_ERROR
    if state == "candidate_died":
        status, text = _why_died(message, served, idle, its, suite.limits)
        progress.trouble = TestOutcome("script", status, served.cpu_seconds, message=text)
        return status is TestStatus.SANDBOX_ERROR
    status = _REPORTED.get(state, TestStatus.SANDBOX_ERROR)
    progress.trouble = TestOutcome("script", status, served.cpu_seconds, message=message)
    return False


def _died_in_a_test(progress: _Progress) -> bool:
    return _failed(progress)


def _note(
    line: dict[str, Any], served: Ended, idle: Stop, its: Files, limits: Limits,
    progress: _Progress,
) -> None:  # fmt: skip
    key, status, message = line["test"], line["status"], str(line.get("message", ""))
    if status == "skipped":
        progress.skipped.add(key)
        return
    if status == "candidate_died":
        found, message = _why_died(message, served, idle, its, limits)
        if found is TestStatus.SANDBOX_ERROR:
            return  # undecided: the next round runs it again
    else:
        found = _REPORTED.get(status, TestStatus.SANDBOX_ERROR)
    name = progress.names.get(key, str(key))
    spent = min(float(line.get("cpu", 0.0)), served.cpu_seconds)
    progress.outcomes[key] = TestOutcome(name, found, spent, served.peak_memory_bytes, message)


def _why_died(
    said: str, served: Ended, idle: Stop, its: Files, limits: Limits
) -> tuple[TestStatus, str]:
    """Why the candidate's process answers no more; `said` is what the grader saw of it."""
    trouble = limit_status(served, cumulative(limits, _TESTS_IN_ONE_PROCESS), its)
    if served.signal == 9 and trouble is not None and trouble[0] is TestStatus.SANDBOX_ERROR:
        # It still ran when we ended it.
        if "timed out" not in said:
            return TestStatus.RUNTIME_ERROR, f"the candidate broke the line: {said}"
        if idle is Stop.STARVED and served.cpu_seconds < limits.cpu_seconds:
            return TestStatus.SANDBOX_ERROR, "the machine kept the candidate from answering"
        return TestStatus.TIME_LIMIT, f"no answer within the wall limit of {limits.wall:g} s"
    if trouble is not None:
        return trouble
    return TestStatus.RUNTIME_ERROR, "the candidate ended its process"


def _lines(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.split(b"\n")[:-1]:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def _fail_unreached(progress: _Progress) -> None:
    """Tests after the end of a script that broke off share its fate, so vectors stay aligned."""
    status = TestStatus.RUNTIME_ERROR if progress.finished else TestStatus.SANDBOX_ERROR
    if progress.trouble is not None:
        status = progress.trouble.status
    for key in progress.order:
        if key not in progress.outcomes and key not in progress.skipped:
            progress.outcomes[key] = TestOutcome(progress.names[key], status, message="not reached")


def _collected(progress: _Progress) -> list[TestOutcome]:
    if not progress.finished:
        _fail_unreached(progress)
    outcomes = [progress.outcomes[key] for key in progress.order if key in progress.outcomes]
    if progress.trouble is not None:
        outcomes.append(progress.trouble)
    elif not progress.finished:
        outcomes.append(
            TestOutcome("script", TestStatus.SANDBOX_ERROR, message="the tests did not finish")
        )
    if not outcomes:
        # Nothing failed, but nothing was tested either: a candidate may have steered the tests
        # around every assert, and that must not pass.
        why = "no test ran" if progress.order else ""
        status = TestStatus.WRONG_ANSWER if progress.order else TestStatus.PASSED
        outcomes.append(TestOutcome("script", status, message=why))
    return outcomes
