"""Scores labelled GSM8K solutions through a running server and compares with the labels.

Takes the JSON lines of openai/grade-school-math's example model solutions (each row has
`question`, `ground_truth`, and four models' `solution` and `is_correct`), flattens them to one
sample a line, runs `rewardsvc score` against a server in another process, and prints the
agreement of the verdicts with the labels, every difference, and the throughput:

    python tests/benchmarks/gsm8k_agreement.py PATH [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rewardsvc.cli.local_server import local_server

CONFIG = """
scorers: {math: {kind: math, policy: gsm8k}}
rewards: {gsm8k: {components: [{scorer: math}]}}
"""


def flatten(source: Path, target: Path) -> dict[str, bool]:
    """Writes one sample a line; returns the labels by sample id."""
    labels = {}
    with source.open() as rows, target.open("w") as samples:
        for number, line in enumerate(rows):
            row = json.loads(line)
            gold = row["ground_truth"].rpartition("A:")[2].strip()
            for model, answer in row.items():
                if not isinstance(answer, dict):
                    continue
                sample_id = f"{number}/{model}"
                labels[sample_id] = answer["is_correct"]
                sample = {
                    "sample_id": sample_id,
                    "prompt": row["question"],
                    "response": answer["solution"],
                    "reference": gold,
                }
                samples.write(json.dumps(sample) + "\n")
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("--keep", type=Path, help="folder for the samples and results")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        samples, results, config = (
            folder / name for name in ("samples.jsonl", "results.jsonl", "config.yaml")
        )
        labels = flatten(arguments.source, samples)
        config.write_text(CONFIG)
        results.unlink(missing_ok=True)
        with local_server(config) as address:
            command = [sys.executable, "-m", "rewardsvc", "score", str(samples)]
            options = ["--output", str(results), "--reward", "gsm8k", "--target", address]
            start = time.perf_counter()
            subprocess.run([*command, *options], check=True)
            seconds = time.perf_counter() - start
        compare(results, labels)
        print(f"{len(labels) / seconds:,.0f} samples/s, {seconds:.2f} s with the command's start")


def compare(results: Path, labels: dict[str, bool]) -> None:
    counts: Counter[tuple[bool, str]] = Counter()
    differences = []
    for line in results.read_text().splitlines():
        result = json.loads(line)
        outcome = result["verdict"]["outcome"] if result["verdict"] else result["status"]
        label = labels[result["sample_id"]]
        counts[label, outcome] += 1
        if label != (outcome == "correct") or result["reward"] != float(label):
            differences.append(result)
    print(f"{'label':8} {'verdict':12} {'samples':>8}")
    for (label, outcome), count in sorted(counts.items()):
        print(f"{'right' if label else 'wrong':8} {outcome:12} {count:8,}")
    agreeing = sum(counts.values()) - len(differences)
    print(f"agreement: {agreeing:,} of {len(labels):,}")
    for result in differences:
        verdict = result["verdict"] or {}
        print(f"  {result['sample_id']}: reward {result['reward']}, {verdict.get('reason')}")


if __name__ == "__main__":
    main()
