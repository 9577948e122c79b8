"""Make `rates.json`: verify the generated labelled pairs and count.

    python -m rewardsvc_verifiers.math.rates_script --seed 20260 --per-family 600 --output FILE

Deterministic but for the verifier's own random evaluation points, whose effect on a count is
below 2**-40. Pairs that only the symbolic stage decides are decided with a generous time
limit, so that a slow machine gives the same counts.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rewardsvc_verifiers.math.generate import labelled_pairs
from rewardsvc_verifiers.math.rates import ErrorRates, Label
from rewardsvc_verifiers.math.verifier import MathVerifier
from rewardsvc_verifiers.verdict import Outcome
from rewardsvc_verifiers.workers import WorkerPool


def measure(seed: int, per_family: int) -> ErrorRates:
    """Verify the pairs of a seed and count errors by stage and answer type."""
    pairs = list(labelled_pairs(seed, per_family))
    with WorkerPool(size=1, time_limit_seconds=10.0) as pool:
        verdicts = MathVerifier(pool=pool).verify_pairs(
            (f"\\boxed{{{pair.answer}}}", pair.reference) for pair in pairs
        )
    labels = [
        Label(verdict.stage, verdict.answer_type, verdict.outcome is Outcome.CORRECT, pair.equal)
        for pair, verdict in zip(pairs, verdicts, strict=True)
        if verdict.outcome in (Outcome.CORRECT, Outcome.INCORRECT)
    ]
    version = f"generated-1-seed{seed}-{len(pairs)}"
    return ErrorRates(version).update(labels, version)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20260)
    parser.add_argument("--per-family", type=int, default=600)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("rates.json"))
    options = parser.parse_args()
    data = measure(options.seed, options.per_family).to_json()
    rows = ",\n    ".join(json.dumps(row) for row in data["cells"])
    head = (
        f'  "version": {json.dumps(data["version"])},\n  "columns": {json.dumps(data["columns"])}'
    )
    options.output.write_text(f'{{\n{head},\n  "cells": [\n    {rows}\n  ]\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
