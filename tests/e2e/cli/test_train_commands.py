"""`rewardsvc train`: what the commands write, and what they say of wrong input."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from rewardsvc.aggregate import load_objective


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rewardsvc", "train", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"COLUMNS": "200", "PATH": "", "OMP_NUM_THREADS": "1"},
    )


def test_train_objective_writes_what_is_served(tmp_path: Path) -> None:
    rng = random.Random(0)
    records = []
    for number in range(200):
        label = number % 2
        members = {"good": label + rng.gauss(0, 0.7), "noise": rng.gauss(0, 1)}
        records.append({"prompt": f"p{number // 4}", "members": members, "label": label})
    scores, out = tmp_path / "scores.jsonl", tmp_path / "learned_objective.json"
    scores.write_text("\n".join(map(json.dumps, records)))
    done = run("objective", "--scores", scores, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "good" in done.stdout
    assert "share right: 0.5" in done.stdout
    objective = load_objective(out, ["noise", "good"])
    assert objective.members[1].weight > 0.9
    assert objective.made_from == "scores.jsonl, 200 labelled responses"


def test_train_ensemble_from_scratch(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    records = [
        {"prompt": f"{n}?", "chosen": f"yes, {n} it is", "rejected": f"no to {n}"}
        for n in range(40)
    ]
    pairs.write_text("\n".join(map(json.dumps, records)))
    out = tmp_path / "ensemble"
    options = ("--scratch", "tiny", "--members", 1, "--epochs", 1, "--max-length", 64)
    done = run("ensemble", "--pairs", pairs, "--out", out, *options)
    assert done.returncode == 0, done.stderr
    assert "member-1: step 1/1" in done.stderr
    assert "40 pairs: 32 to train on, 4 to stop by, 4 held out, 0 too long" in done.stdout
    assert f"serve with: {{kind: ensemble, directory: {out}}}" in done.stdout
    assert (out / "member-1" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give exactly one of --base and --scratch"),
        (("--scratch", "huge"), "scratch: is 'huge'; allowed: tiny, small"),
        (("--scratch", "tiny", "--votes", "shout"), "--votes: is 'shout'; allowed"),
        (("--scratch", "tiny", "--loss", "unbiased"), "noise_rate: is 0.0; must be in (0, 0.5)"),
        (("--scratch", "tiny", "--lora-alpha", "3"), "need --lora-rank"),
        (("--base", ".", "--members", "0"), "members: is 0; must be at least 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    done = run("ensemble", "--pairs", pairs, "--out", tmp_path / "out", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert not (tmp_path / "out").exists()
