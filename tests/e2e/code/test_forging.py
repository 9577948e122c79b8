"""No program that forges is ever `correct`, in any kind of test; honest ones are."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace

import pytest
from forging_programs import (
    ASSERTS,
    ASSERTS_ONLY,
    COMMON,
    CPP,
    FUNCTION_ONLY,
    JAVASCRIPT,
    PYTEST,
    RIGHT,
)
from rewardsvc_verifiers.code import CodeVerifier, TestSuite
from rewardsvc_verifiers.code.languages import language
from rewardsvc_verifiers.sandbox.levels import Level
from sandbox_limits import LIMITS

Make = Callable[[Level], CodeVerifier]
OPTIONS = {"extraction": "whole", "limits": LIMITS}
SUITES = {
    "function": TestSuite.function("f", [([1], 2), ([5], 6), ([2], 3.0)], **OPTIONS),
    "asserts": TestSuite.asserts("f", ASSERTS, **OPTIONS),
}
if importlib.util.find_spec("pytest"):
    SUITES["pytest"] = TestSuite.pytest(PYTEST, entry_points=["f"], **OPTIONS)
STDIO = [("7", "42")]


def _cases() -> list[object]:
    cases = []
    for kind in SUITES:
        programs = dict(COMMON)
        programs |= FUNCTION_ONLY if kind == "function" else ASSERTS_ONLY
        cases += [pytest.param(kind, source, id=f"{kind}-{n}") for n, source in programs.items()]
    return cases


@pytest.mark.parametrize("kind", SUITES)
@pytest.mark.parametrize("level", sorted(Level, reverse=True), ids=lambda level: level.name)
def test_an_honest_program_passes(verifiers: Make, level: Level, kind: str) -> None:
    verdict = verifiers(level).verify(RIGHT, SUITES[kind])
    assert verdict.outcome == "correct", verdict.reason
    assert len(verdict.tests) >= 3


@pytest.mark.parametrize(("kind", "source"), _cases())
def test_a_forging_program_does_not_pass(strongest: CodeVerifier, kind: str, source: str) -> None:
    # Each test of a program that hangs takes its whole limit; the first will do.
    suite = replace(SUITES[kind], stop_at_first_failure="while True" in source or "sleep" in source)
    verdict = strongest.verify(source, suite)
    assert verdict.outcome == "incorrect", verdict.reason
    # A death or a forged answer costs the tests it touched; none that needs an answer passes.
    assert strongest.verify(RIGHT, SUITES[kind]).outcome == "correct"


@pytest.mark.parametrize("kind", SUITES)
@pytest.mark.parametrize(
    "name", ["always_equal_object", "hard_exit", "forge_answers", "keyboard_interrupt"]
)
def test_nor_without_namespaces(verifiers: Make, kind: str, name: str) -> None:
    verdict = verifiers(Level.LANDLOCK).verify(COMMON[name], SUITES[kind])
    assert verdict.outcome == "incorrect", verdict.reason


@pytest.mark.parametrize(
    ("name", "programs"), [("cpp", CPP), ("javascript", JAVASCRIPT)], ids=["cpp", "javascript"]
)
@pytest.mark.parametrize("level", [Level.FULL, Level.LANDLOCK], ids=lambda level: level.name)
def test_hostile_programs_of_other_languages(
    verifiers: Make, level: Level, name: str, programs: dict[str, str]
) -> None:
    missing = language(name).missing()
    if missing:
        pytest.skip(missing)
    verifier = verifiers(level)
    suite = TestSuite.stdio(STDIO, language=name, **OPTIONS)
    for label, source in programs.items():
        verdict = verifier.verify(source, suite)
        assert verdict.outcome == "incorrect", f"{label}: {verdict}"
        assert "root:" not in verdict.reason, label
    right = {
        "cpp": "#include <bits/stdc++.h>\nusing namespace std;\nint main() { int n; cin >> n;"
        " thread t([&] { cout << n * 6 << endl; }); t.join(); }",
        "javascript": "const n = Number(require('fs').readFileSync('/dev/stdin', 'utf8'));\n"
        "setTimeout(() => console.log(n * 6), 1);",
    }[name]
    verdict = verifier.verify(right, suite)
    assert verdict.outcome == "correct", verdict.reason
