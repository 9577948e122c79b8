"""Fixtures of the sandbox's end-to-end tests: one verifier per level, proven before it is used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rewardsvc_verifiers.code import CodeVerifier, TestSuite
from rewardsvc_verifiers.sandbox.host import SandboxError, Zygote
from rewardsvc_verifiers.sandbox.levels import Level
from rewardsvc_verifiers.sandbox.probe import capabilities
from rewardsvc_verifiers.sandbox.profile import Profile
from sandbox_limits import LIMITS

_HARMLESS = {
    "fork": "import os\nos.fork()",
    "signal": "import os\nos.kill(-1, 0)",
    "socket": "import socket\nsocket.socket()",
    "memory": "bytearray(2 << 30)",
    "file": "open('x', 'wb').write(bytes(100 << 20))",
    "root": "import os\nassert os.getuid() == 0",
}


def level_or_skip(level: Level) -> None:
    """Skips by name where this machine cannot give a level."""
    try:
        Zygote.start(Profile("probe", "rewardsvc_verifiers.sandbox.probe_programs"), level).close()
    except SandboxError as error:
        pytest.skip(f"level {level.name} is not available on this machine: {error}")


@pytest.fixture(scope="session")
def verifiers() -> Iterator[Callable[[Level], CodeVerifier]]:
    """Verifiers by level. Harmless variants of the attacks must be refused before any is used."""
    made: dict[Level, CodeVerifier] = {}

    def make(level: Level) -> CodeVerifier:
        if level not in made:
            level_or_skip(level)
            os.environ["REWARDSVC_TEST_SECRET"] = "42"
            verifier = CodeVerifier(workers=1, minimum_level=Level.RLIMITS, level=level)
            del os.environ["REWARDSVC_TEST_SECRET"]
            suite = TestSuite.stdio([("", "")], extraction="whole", limits=LIMITS)
            for name, program in _HARMLESS.items():
                verdict = verifier.verify(program, suite)
                assert verdict.outcome == "incorrect", f"not contained: {name}: {verdict.reason}"
            made[level] = verifier
        return made[level]

    yield make
    for verifier in made.values():
        verifier.close()


@pytest.fixture
def strongest(verifiers: Callable[[Level], CodeVerifier]) -> CodeVerifier:
    """The verifier at the strongest level this machine gives."""
    level = capabilities().level
    if level is None:
        pytest.skip("no isolation at all is available on this machine")
    return verifiers(level)


@pytest.fixture(scope="session")
def tests_file() -> Iterator[Path]:
    """A world-readable file that only the host should be able to read."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "expected.txt"
        path.write_text("42")
        path.chmod(0o644)
        path.parent.chmod(0o755)
        yield path
