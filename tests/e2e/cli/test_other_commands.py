"""`rewardsvc rewards`, `verify`, `serve`, and what they say when something is wrong."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rewardsvc", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"COLUMNS": "200", "PATH": ""},
    )


def test_rewards_lists_what_a_configuration_offers(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("""
        scorers: {boxed: {kind: format, boxed_answer: true}}
        rewards: {boxed: {description: A boxed answer., components: [{scorer: boxed}]}}
    """)
    done = run("rewards", "--config", config)
    assert done.returncode == 0, done.stderr
    assert "A boxed answer." in done.stdout
    assert "boxed (format)" in done.stdout
    assert "0 to 1" in done.stdout


@pytest.mark.parametrize(
    ("response", "verdict"),
    [(r"so \boxed{0.5}", "correct"), (r"so \boxed{0.6}", "incorrect"), (r"\boxed{}", "no_answer")],
)
def test_verify_math(response, verdict):
    done = run("verify", "math", "--response", response, "--reference", "1/2")
    assert done.returncode == 0, done.stderr
    assert f" {verdict} " in done.stdout
    assert "why" in done.stdout


def test_verify_reads_files(tmp_path):
    (tmp_path / "r.txt").write_text(r"so \boxed{7}")
    done = run("verify", "math", "--response", f"@{tmp_path}/r.txt", "--reference", "7")
    assert " correct " in done.stdout
    missing = run("verify", "math", "--response", "@/absent", "--reference", "7")
    assert missing.returncode == 2
    assert "--response: /absent cannot be read" in missing.stderr


def test_verify_format():
    done = run("verify", "format", "--response", "<think>a", "--tag", "think")
    assert " incorrect " in done.stdout
    assert "</think> is missing." in done.stdout
    refused = run("verify", "format", "--response", "a", "--tag", "a b")
    assert refused.returncode == 2
    assert "'a b' is not a tag name" in refused.stderr


def test_an_unknown_policy_lists_those_there_are():
    done = run("verify", "math", "--response", "1", "--reference", "1", "--policy", "lax")
    assert done.returncode == 2
    assert "--policy: is 'lax'; allowed: " in done.stderr


def test_serve_names_what_is_wrong_before_it_opens_a_port(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("scorers: {a: {kind: constant, valu: 1}}\nrewards: {a: {components: []}}")
    done = run("serve", "--config", config)
    assert done.returncode == 2
    assert "rewards.a.components" in done.stderr
    assert "listening" not in done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_there_is_one_readable_message():
    done = run("rewards", "--target", "127.0.0.1:1")
    assert done.returncode == 2
    assert "UNAVAILABLE" in done.stderr
    assert "Traceback" not in done.stderr
