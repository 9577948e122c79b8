"""Counts what the judges' defences refuse: attacks of ours, honest texts of ours and of datasets.

    python tests/benchmarks/judge_defences.py [DATASET ...] [--shortest 1]

A dataset is JSON or JSON lines; every string in it that is at least `--shortest` characters long
counts once as an honest text. Prints a table of refusals and warnings, each refused honest text,
and CPU time a thousand characters. Our own texts are those the rules were written with, so only the
datasets' rates and that of the overrides not seen before say anything about texts that nobody here
has seen. Takes a few seconds a megabyte.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.responses_to_judges import HONEST, NULLS, OVERRIDES, PERSUASIONS, UNSEEN_OVERRIDES

from rewardsvc.judging.defences import inspect
from rewardsvc.judging.master_keys import MASTER_KEYS


def strings(data: Any) -> Iterator[str]:
    """All strings in some JSON."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value)


def read(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]


def report(name: str, texts: Iterable[str], *, honest: bool) -> None:
    texts = list(texts)
    started = time.process_time()
    found = [inspect(text) for text in texts]
    seconds = time.process_time() - started
    refused = sum(inspection.refusal is not None for inspection in found)
    warned = sum(bool(inspection.warnings) for inspection in found)
    characters = sum(map(len, texts))
    print(
        f"{name:38} {len(texts):7} {refused:7} {refused / len(texts):8.2%} {warned:7} "
        f"{1e9 * seconds / max(characters, 1):9.0f}"
    )
    wrong = [
        (text, inspection)
        for text, inspection in zip(texts, found, strict=True)
        if (inspection.refusal is not None) == honest
    ]
    rules = Counter(i.refusal.rule if i.refusal else "not refused" for _, i in wrong)
    for rule, count in rules.most_common():
        example = next(
            t for t, i in wrong if (i.refusal.rule if i.refusal else "not refused") == rule
        )
        print(f"    {count} × {rule}, e.g. {example[:100]!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("datasets", type=Path, nargs="*")
    parser.add_argument("--shortest", type=int, default=1)
    arguments = parser.parse_args()
    print(f"{'texts':38} {'count':>7} {'refused':>7} {'share':>8} {'warned':>7} {'µs/1000':>9}")
    report("master keys", MASTER_KEYS, honest=False)
    report("responses without content", NULLS, honest=False)
    report("override responses", OVERRIDES, honest=False)
    report("persuasions without certain signs", PERSUASIONS, honest=False)
    report("override responses not seen before", UNSEEN_OVERRIDES, honest=False)
    report("honest responses", HONEST, honest=True)
    for path in arguments.datasets:
        texts = {text for text in strings(read(path)) if len(text) >= arguments.shortest}
        report(path.name, sorted(texts), honest=True)


if __name__ == "__main__":
    main()
