"""The GPU benchmark runs here on a CPU at toy size: a trial of the script, not of a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "model_flops_utilisation.py"


def run(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_tiny_shape_on_a_cpu():
    printed = run("--shape", "tiny", "--device", "cpu", "--rounds", "1", "--deterministic")
    assert "CPU: a trial, not a result" in printed
    assert "utilisation" in printed
    assert (
        "deterministic: alone and in the group, hidden states differ by at most 0.0e+00" in printed
    )


def test_without_a_gpu_it_says_so():
    if not torch.cuda.is_available():
        assert "there is no GPU here" in run()
