r"""Pairs with known verdicts, read from `math_pairs.tsv`.

`equal` and `different` pairs must be decided so; `not shown` ones may not be called correct.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

Pairs = dict[str, list[tuple[str, str]]]


def _read(verdict: str) -> Pairs:
    pairs: Pairs = defaultdict(list)
    text = Path(__file__).with_name("math_pairs.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line.startswith("# "):
            continue
        stated, kind, reference, answer = line.split("\t")
        if stated == verdict:
            pairs[kind].append((reference, answer))
    return dict(pairs)


EQUAL = _read("equal")
DIFFERENT = _read("different")
NOT_CORRECT = _read("not shown")["any"]
