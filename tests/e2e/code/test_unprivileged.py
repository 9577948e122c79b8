"""The whole verifier as an ordinary user without any capability, as in a hardened pod.

The server and the programs then share a uid, so only Landlock and seccomp stand between them
where namespaces are refused.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import rewardsvc_verifiers

ORDINARY_UID = 64901


def _python() -> str:
    """A Python 3.11 or newer that other users can run."""
    for candidate in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        real = Path(candidate).resolve()
        if not real.exists() or not all(p.stat().st_mode & 0o001 for p in real.parents):
            continue
        version = subprocess.run(
            [str(real), "-c", "import sys; print(sys.version_info >= (3, 11))"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if version.stdout.strip() == "True":
            return str(real)
    pytest.skip("no Python 3.11 that an ordinary user can run is installed")


def _run(*arguments: str) -> dict:
    """Runs the script as an ordinary user, from a copy of the library that it can read."""
    python = _python()
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "library"
        shutil.copytree(
            Path(rewardsvc_verifiers.__file__).parent, copy / "rewardsvc_verifiers",
            ignore=shutil.ignore_patterns("__pycache__", "math"),
        )  # fmt: skip
        shutil.copy(Path(__file__).with_name("unprivileged.py"), copy)
        for path in (Path(directory), *Path(directory).rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        identity = {}
        if os.geteuid() == 0:
            identity = {"user": ORDINARY_UID, "group": ORDINARY_UID, "extra_groups": []}
        done = subprocess.run(
            [python, "-B", str(copy / "unprivileged.py"), *arguments],
            capture_output=True, text=True, check=False, cwd="/", timeout=100,
            env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin"}, **identity,
        )  # fmt: skip
    if "SandboxUnavailableError" in done.stderr:
        pytest.skip(f"not available to an ordinary user here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("arguments", [(), ("no-namespaces",)], ids=["open", "no-namespaces"])
def test_an_ordinary_user_is_protected_from_the_programs_it_judges(
    arguments: tuple[str, ...],
) -> None:
    report = _run(*arguments)
    assert report["uid"] != 0
    assert int(report["capabilities"], 16) == 0
    if arguments:
        assert report["level"] in ("LANDLOCK", "RLIMITS")
    judged = report["judged"]
    for name in ("right", "lazy_import"):
        assert judged.pop(name) == "passed", name
    assert judged.pop("wrong") == "wrong_answer"
    assert judged.pop("spin") == "time_limit"
    assert judged.pop("honest_asserts") == "correct"
    assert judged.pop("forged_asserts") == "incorrect"
    assert set(judged.values()) == {"runtime_error"}, judged
