"""Whole responses with known outcomes: those of `math_responses.jsonl`, and long ones."""

from __future__ import annotations

import json
from pathlib import Path

_LONG: list[tuple[str, str, str]] = [
    ("42", "x" * 2_000_000 + r"\boxed{42}", "correct"),
    ("42", "\\boxed{" * 20_000, "no_answer"),
    ("42", "answer: " + "$ " * 20_000, "undecided"),
    ("42", "\\[" * 20_000, "no_answer"),
]


def _read() -> list[tuple[str, str, str]]:
    text = Path(__file__).with_name("math_responses.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    return [(row["reference"], row["response"], row["outcome"]) for row in rows]


#: (reference, response, outcome)
RESPONSES = _read() + _LONG
