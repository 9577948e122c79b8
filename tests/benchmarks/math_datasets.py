"""Verdicts on recorded model answers, against the labels that came with them.

    python tests/benchmarks/math_datasets.py --gsm8k FILE --math-cot FILE

`--gsm8k`: the model solutions of openai/grade-school-math (`ground_truth`, and for each model
`solution`, `is_correct`). `--math-cot`: questions with `gt`, `responses`, `score`. Prints the
table of outcomes against labels, every disagreement, and pairs per CPU second.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rewardsvc_verifiers.math import MathVerifier, SymbolicTask

_MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
Sample = tuple[str, str, bool]


def gsm8k(path: Path) -> Iterator[Sample]:
    """(response, reference, label) of every recorded solution."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for model in _MODELS:
            yield row[model]["solution"], row["ground_truth"], row[model]["is_correct"]


def math_cot(path: Path) -> Iterator[Sample]:
    """(response, reference, label) of every recorded chain of thought."""
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        for response, label in zip(row["responses"], row["score"], strict=True):
            yield response, row["gt"], label


def report(name: str, samples: list[Sample]) -> None:
    """Print one dataset's table."""
    verifier = MathVerifier()
    table: Counter[tuple[str, bool]] = Counter()
    stages: Counter[str] = Counter()
    disagreements: list[str] = []
    start = time.process_time()
    for response, reference, label in samples:
        result = verifier.attempt(response, verifier.prepare(reference))
        verdict = result.undecided if isinstance(result, SymbolicTask) else result
        table[str(verdict.outcome), label] += 1
        stages[verdict.stage] += 1
        if (verdict.outcome == "correct") != label:
            disagreements.append(f"{verdict.outcome}, label {label}: {verdict.reason}")
    seconds = time.process_time() - start
    print(f"{name}: {len(samples)} responses, {len(samples) / seconds:,.0f} per CPU second")
    for (outcome, label), count in sorted(table.items()):
        print(f"  {outcome:10} label {label!s:5} {count}")
    print(f"  stages {dict(stages.most_common())}")
    print(f"  {len(disagreements)} disagreements")
    for line in disagreements:
        print(f"    {line}")


def main() -> None:
    """Print a table for each file given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gsm8k", type=Path)
    parser.add_argument("--math-cot", type=Path)
    options = parser.parse_args()
    if options.gsm8k:
        report("gsm8k", list(gsm8k(options.gsm8k)))
    if options.math_cot:
        report("math-cot", list(math_cot(options.math_cot)))


if __name__ == "__main__":
    main()
