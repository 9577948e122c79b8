r"""Accuracy and CPU cost of the math verifier against math-verify: same pairs, same run.

    python tests/benchmarks/math_peers.py [--per-family 12] [--seed 4711] [--peer-limit 5]
    python tests/benchmarks/math_peers.py --pairs tests/unit/math/math_pairs.tsv

CPU time is `time.process_time`, and for the worker processes what /proc says (the pool's
start is stated apart). Every answer stands in a box at
the end of a short response. math-verify runs as its README shows: parse gold, parse
prediction, verify, with its own 5 s limits. Prints recall, false-positive rate, pairs per CPU
second, latency, and the share and cost of every stage.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rewardsvc_verifiers.math import MathVerifier, SymbolicTask
from rewardsvc_verifiers.math.generate import LabelledPair, labelled_pairs
from rewardsvc_verifiers.verdict import Outcome, Verdict
from rewardsvc_verifiers.workers import WorkerPool

RESPONSE = "We simplify step by step and check the result.\n\nThe final answer is $\\boxed{{{}}}$."
Outcomes = list[str]
BLOCK = 68


def run_ours(
    pairs: Sequence[LabelledPair], pool: WorkerPool | None
) -> tuple[Outcomes, list[float], list[Verdict]]:
    """Every pair through attempt and, with a pool, the symbolic stage; CPU of this process each."""
    verifier = MathVerifier(pool=pool)
    outcomes, costs, verdicts = [], [], []
    for pair in pairs:
        response = RESPONSE.format(pair.answer)
        start = time.process_time()
        result = verifier.attempt(response, verifier.prepare(pair.reference))
        if isinstance(result, SymbolicTask):
            result = (
                result.undecided if pool is None else result.resolve(result.submit(pool).result())
            )
        costs.append(time.process_time() - start)
        outcomes.append(str(result.outcome))
        verdicts.append(result)
    return outcomes, costs, verdicts


def run_peer(
    pairs: Sequence[LabelledPair], limit: int
) -> tuple[Outcomes, list[float], list[Verdict]]:
    """math-verify, the way its documentation uses it."""
    import logging

    from math_verify import parse, verify

    logging.disable(logging.CRITICAL)
    parse("$1+1$")  # its imports and caches are not the first pair's cost
    outcomes, costs = [], []
    for pair in pairs:
        response = RESPONSE.format(pair.answer)
        start = time.process_time()
        try:
            gold = parse(f"${pair.reference}$", parsing_timeout=limit)
            correct = verify(gold, parse(response, parsing_timeout=limit), timeout_seconds=limit)
        except Exception:
            correct = False
        costs.append(time.process_time() - start)
        outcomes.append(str(Outcome.CORRECT if correct else Outcome.INCORRECT))
    return outcomes, costs, []


def accuracy(pairs: Sequence[LabelledPair], outcomes: Outcomes) -> tuple[float, float]:
    """Recall over the equal pairs, false-positive rate over the others."""
    right = [o == "correct" for p, o in zip(pairs, outcomes, strict=True) if p.equal]
    wrong = [o == "correct" for p, o in zip(pairs, outcomes, strict=True) if not p.equal]
    return sum(right) / len(right), sum(wrong) / len(wrong)


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest-rank percentile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--per-family", type=int, default=12)
    parser.add_argument("--seed", type=int, default=4711)
    parser.add_argument("--peer-limit", type=int, default=5)
    parser.add_argument("--pairs", type=Path, help="tests/unit/math/math_pairs.tsv or alike")
    options = parser.parse_args()
    if options.pairs:
        pairs = read_pairs(options.pairs)
        print(f"{len(pairs)} pairs of {options.pairs.name}\n")
    else:
        pairs = list(labelled_pairs(options.seed, options.per_family))
        print(f"{len(pairs)} generated pairs, seed {options.seed}, {options.per_family} a family\n")

    run_ours(pairs[:50], None)
    run_peer(pairs[:5], options.peer_limit)
    off, on, peer = Run("ours, symbolic stage off"), Run("ours, every stage"), Run("math-verify")
    with WorkerPool(size=1) as pool:
        pool.submit("math.symbolic", {"pairs": []}).result()
        workers = pool.processes()
        started = sum(map(cpu_of_process, workers))
        # In blocks, so that the load of the machine falls on all three alike.
        for first in range(0, len(pairs), BLOCK):
            block = pairs[first : first + BLOCK]
            off.add(*run_ours(block, None))
            on.add(*run_ours(block, pool))
            peer.add(*run_peer(block, options.peer_limit))
        on.cpu_seconds += sum(map(cpu_of_process, workers)) - started
    print(f"starting the pool took {started:.2f} CPU s, once\n")
    _print_summary(pairs, [off, on, peer])
    _print_stages(pairs, off.verdicts, off.costs, on.verdicts)
    _print_families(pairs, on.outcomes, peer.outcomes)


def read_pairs(path: Path) -> list[LabelledPair]:
    """Hand-written pairs: verdict, kind, reference, answer; what is neither is left out."""
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        LabelledPair(reference, answer, verdict == "equal", kind, "")
        for verdict, kind, reference, answer in rows
        if verdict in ("equal", "different")
    ]


@dataclass
class Run:
    """What one verifier said, and what it cost."""

    name: str
    outcomes: Outcomes = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    cpu_seconds: float = 0.0

    def add(self, outcomes: Outcomes, costs: list[float], verdicts: list[Verdict]) -> None:
        """Add one block."""
        self.outcomes += outcomes
        self.costs += costs
        self.verdicts += verdicts
        self.cpu_seconds += sum(costs)


def cpu_of_process(pid: int) -> float:
    """CPU time of another live process, from /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print_summary(pairs: Sequence[LabelledPair], runs: list[Run]) -> None:
    slowest = len(pairs) / runs[-1].cpu_seconds
    print(
        "| verifier | recall | false positives | pairs / CPU s | ratio | p50 ms | p99 ms | max ms |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for run in runs:
        costs = run.costs
        recall, false_positives = accuracy(pairs, run.outcomes)
        speed = len(pairs) / run.cpu_seconds
        cells = [
            run.name,
            f"{recall:.3f}",
            f"{false_positives:.4f}",
            f"{speed:,.0f}",
            f"{speed / slowest:.0f}",
            f"{statistics.median(costs) * 1e3:.3f}",
            f"{percentile(costs, 0.99) * 1e3:.2f}",
            f"{max(costs) * 1e3:.1f}",
        ]
        print(f"| {' | '.join(cells)} |")


def _print_stages(
    pairs: Sequence[LabelledPair], off: list[Verdict], costs: list[float], on: list[Verdict]
) -> None:
    by_stage: dict[str, list[float]] = defaultdict(list)
    for verdict, cost in zip(off, costs, strict=True):
        by_stage[verdict.stage if verdict.decided else "left to symbolic or undecided"].append(cost)
    print("\n| stage that decided (symbolic off) | share | mean ms |\n|---|---|---|")
    for stage, values in sorted(by_stage.items(), key=lambda item: -len(item[1])):
        print(f"| {stage} | {len(values) / len(pairs):.1%} | {statistics.mean(values) * 1e3:.3f} |")
    symbolic = Counter(str(v.outcome) for v in on if v.stage == "symbolic")
    print(
        f"\nsymbolic stage on: {sum(symbolic.values()) / len(pairs):.1%} of pairs, {dict(symbolic)}"
    )


def _print_families(pairs: Sequence[LabelledPair], ours: Outcomes, peer: Outcomes) -> None:
    print("\n| family | recall ours | recall peer | false positives ours | false positives peer |")
    print("|---|---|---|---|---|")
    measure: Callable[[str, bool, Outcomes], str] = lambda family, equal, outcomes: _share(  # noqa: E731
        [
            o == "correct"
            for p, o in zip(pairs, outcomes, strict=True)
            if p.family == family and p.equal is equal
        ]
    )
    for family in dict.fromkeys(pair.family for pair in pairs):
        cells = [
            measure(family, True, ours),
            measure(family, True, peer),
            measure(family, False, ours),
            measure(family, False, peer),
        ]
        print(f"| {family} | {' | '.join(cells)} |")


def _share(values: list[bool]) -> str:
    return f"{sum(values) / len(values):.2f}" if values else "-"


if __name__ == "__main__":
    main()
