"""`rewardsvc rewards`, `verify`, `serve`, and what they say when something is wrong."""

from __future__ import annotations

import json
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


def test_two_versions_of_a_reward_are_compared(tmp_path):
    paths = [tmp_path / name for name in ("before.jsonl", "after.jsonl", "samples.jsonl")]
    rows = [(f"{k}", f"p{k // 2}", float(k), -2.0 * k + 7 * (k // 2)) for k in range(8)]
    for path, field, column in ((paths[0], "reward", 2), (paths[1], "reward", 3)):
        lines = [json.dumps({"sample_id": row[0], field: row[column]}) for row in rows]
        path.write_text("\n".join(lines) + "\n")
    paths[2].write_text(
        "".join(json.dumps({"sample_id": row[0], "prompt": row[1]}) + "\n" for row in rows)
    )
    said = run("compare", str(paths[0]), str(paths[1]), "--samples", str(paths[2]))
    assert said.returncode == 0
    assert "2.000" in said.stdout
    paths[1].write_text('{"sample_id": "0"}\n')
    said = run("compare", str(paths[0]), str(paths[1]), "--samples", str(paths[2]))
    assert said.returncode == 2
    assert "line 1: reward is missing" in said.stderr
