"""Every hostile program ends as it must, at every level; nothing is left; the next job is right."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_programs import (
    ALL,
    CONTROLS,
    FILE_CONTROLS,
    IMPORT_CONTROLS,
    RESOURCES,
    Hostile,
)
from rewardsvc_verifiers.code import CodeVerifier, TestSuite
from rewardsvc_verifiers.sandbox.levels import Level
from sandbox_limits import LIMITS
from sandbox_processes import descendants, eventually, resident_bytes

Make = Callable[[Level], CodeVerifier]
SUITE = TestSuite.stdio([("7", "42")], extraction="whole", limits=LIMITS)
SECRET_SUITE = TestSuite.stdio([("7", "SECRET-EXPECTED-42")], extraction="whole", limits=LIMITS)


def _cases() -> list[object]:
    cases = []
    for level in sorted(Level, reverse=True):
        for program in ALL:
            # Resources are bounded by rlimits, which all levels share: two levels will do.
            shared = level in (Level.NAMESPACES, Level.RLIMITS) and (
                program in RESOURCES or "time_limit" in program.statuses
            )
            if not shared and (program.levels is None or level in program.levels):
                cases.append(pytest.param(level, program, id=f"{level.name}-{program.name}"))
    return cases


@pytest.mark.parametrize(("level", "program"), _cases())
def test_ends_as_it_must(verifiers: Make, tests_file: Path, level: Level, program: Hostile) -> None:
    verifier = verifiers(level)
    before = descendants()
    source = program.source.replace("TESTS_FILE", repr(str(tests_file)))
    suite = SECRET_SUITE if program.name == "search_frames" else SUITE

    verdict = verifier.verify(source, suite)
    assert verdict.tests[0].status in program.statuses, verdict.reason
    assert "'found'" not in verdict.reason

    after = verifier.verify("print(int(input()) * 6)", SUITE)
    assert after.outcome == "correct", f"after {program.name}: {after.reason}"
    # A zygote that had to be replaced is a new process, so it is the number that tells.
    assert eventually(lambda: len(descendants()) <= len(before)), program.name


def _controls(level: Level) -> dict[str, str]:
    return CONTROLS | (FILE_CONTROLS if level in (Level.FULL, Level.NAMESPACES) else {})


@pytest.mark.parametrize(
    ("level", "name"),
    [pytest.param(level, name, id=f"{level.name}-{name}")
     for level in sorted(Level, reverse=True) for name in _controls(level)],
)  # fmt: skip
def test_ordinary_programs_are_left_alone(verifiers: Make, level: Level, name: str) -> None:
    verdict = verifiers(level).verify(_controls(level)[name], SUITE)
    assert verdict.outcome == "correct", verdict.reason


@pytest.mark.parametrize("name", IMPORT_CONTROLS)
@pytest.mark.parametrize("level", sorted(Level, reverse=True), ids=lambda level: level.name)
def test_the_standard_library_is_there(verifiers: Make, level: Level, name: str) -> None:
    if (
        level in (Level.LANDLOCK, Level.RLIMITS)
        and os.geteuid() == 0
        and not _readable(os.__file__)
    ):
        pytest.skip("the standard library of this Python is not readable for other users")
    verdict = verifiers(level).verify(IMPORT_CONTROLS[name], SUITE)
    assert verdict.outcome == "correct", verdict.reason


def _readable(path: str) -> bool:
    """Whether other users may read a file, as its directories' modes say."""
    real = Path(path).resolve()
    return all(parent.stat().st_mode & 0o001 for parent in real.parents)


def test_a_job_cannot_read_what_another_left(verifiers: Make) -> None:
    verifier = verifiers(Level.FULL)
    leave = "open('left.txt', 'w').write('42')\nprint(41)"
    look = "import os\nprint(42 if os.path.exists('left.txt') else 'nothing')"
    suite = TestSuite.stdio([("7", "nothing")] * 2, extraction="whole", limits=LIMITS)
    verifier.verify(leave, suite)
    assert verifier.verify(look, suite).outcome == "correct"
    # Nor what an earlier test of the same program left.
    both = "import os\nprint('left' if os.listdir('.') else 'nothing')\nopen('left.txt', 'w')"
    assert verifier.verify(both, suite).outcome == "correct"


def test_a_box_that_cannot_be_emptied_is_replaced(verifiers: Make) -> None:
    verifier = verifiers(Level.FULL)
    program = (
        "import os\nprint(len(os.listdir('.')))\n"
        "for i in range(3000):\n  os.mkdir('d'); os.chdir('d')\n"
    )
    suite = TestSuite.stdio([("", "0")] * 3, extraction="whole", limits=LIMITS)
    verdict = verifier.verify(program, suite)
    assert verdict.outcome == "correct", verdict.reason


def test_memory_of_the_server_stays_flat_under_hostile_output(verifiers: Make) -> None:
    verifier = verifiers(Level.FULL)
    flood = "import os\nfor _ in range(4): os.write(1, bytes(1 << 20))"
    suite = TestSuite.stdio([("7", "42")] * 8, extraction="whole", limits=LIMITS)
    verifier.verify(flood, suite)
    before = resident_bytes()
    for _ in range(3):
        verifier.verify(flood, suite)
    assert resident_bytes() - before < 32 << 20
