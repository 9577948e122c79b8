"""How often each step aggregation ranks the correct solution strictly first, on real scores.

    python tests/benchmarks/step_aggregations.py PATH/rewardmath/Math_Shepherd.json

The file holds the step scores that Math-Shepherd's process reward model gave to the ten
solutions of each of RewardMATH's 483 problems; solution 0 is the correct one. Exits with
status 1 when a share differs from the one expected.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rewardsvc.aggregate.steps import AGGREGATIONS, aggregate_steps

EXPECTED = {
    "product": 0.1718,
    "min": 0.1532,
    "mean": 0.1511,
    "last": 0.1822,
    "max": 0.0393,
    "geometric_mean": 0.1573,
}


def share_won(name: str, problems: Sequence[Sequence[Sequence[float]]]) -> float:
    """The share of problems whose solution 0 scores strictly above all others."""
    won = 0
    for solutions in problems:
        first, *others = (aggregate_steps(name, scores) for scores in solutions)
        won += all(first > other for other in others)
    return won / len(problems)


def main() -> int:
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    records = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    problems = [record["score"] for record in records]
    solutions = {len(scores) for scores in problems}
    print(f"{len(problems)} problems of {', '.join(map(str, solutions))} solutions\n")
    print(f"{'aggregation':<16}{'share best':>11}{'expected':>10}   favours")
    differing = 0
    for name, expected in EXPECTED.items():
        share = share_won(name, problems)
        differs = round(share, 4) != expected
        differing += differs
        mark = "  DIFFERS" if differs else ""
        print(f"{name:<16}{share:>11.4f}{expected:>10.4f}   {AGGREGATIONS[name].bias}{mark}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
