"""The commands' security options: what they refuse, and a server with certificates."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rewardsvc", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--tls-authority", "absent.pem"], "--tls-authority: absent.pem: no such file"),
        (["--tls-key", __file__], "give --tls-certificate and --tls-key together"),
        (["--target", "rewards.example:1", "--token", "secret"], "token needs tls"),
        (["--target", ","], "target is ','; must be `host:port`"),
    ],
)
def test_what_cannot_be_done_is_one_readable_message(options, expected):
    target = [] if "--target" in options else ["--target", "127.0.0.1:1"]
    done = run("rewards", *target, *options)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_timeout_that_is_none_is_refused(tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("{}\n")
    options = ("--output", tmp_path / "out", "--reward", "r", "--target", "127.0.0.1:1")
    done = run("score", source, *options, "--timeout", "0")
    assert done.returncode == 2
    assert "timeout is 0.0; must be a finite number of seconds above 0" in done.stderr
    assert "Traceback" not in done.stderr
