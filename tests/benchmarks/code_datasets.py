"""Canonical solutions and mutants of them, judged in sandboxes and by a plain trusted runner.

    python tests/benchmarks/code_datasets.py --humaneval humaneval.jsonl.gz --mbpp mbpp.jsonl
        [--mutants 2] [--level 3] [--seed 0]

Mutants change one operator or constant of the reference. The plain runner executes program and
tests in one process of their own, as the benchmarks' own harnesses do; since these programs are
the dataset's, it can be believed. Every mutant it rejects must be rejected in the sandbox, and
every one it accepts should be accepted.
"""

from __future__ import annotations

import argparse
import ast
import copy
import gzip
import json
import random
import resource
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rewardsvc_verifiers.code import CodeVerifier, TestSuite

_SWAPS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.And: ast.Or, ast.Or: ast.And, ast.In: ast.NotIn,
}  # fmt: skip


def mutants(source: str, count: int, chance: random.Random) -> list[str]:
    """Up to so many different programs, each with one change."""
    tree = ast.parse(source)
    places = [
        index for index, node in enumerate(ast.walk(tree))
        if type(node) in _SWAPS
        or (isinstance(node, ast.Constant) and type(node.value) in (int, bool))
    ]  # fmt: skip
    made = []
    for place in chance.sample(places, min(count, len(places))):
        changed = copy.deepcopy(tree)
        target = list(ast.walk(changed))[place]
        if isinstance(target, ast.Constant):
            target.value = not target.value if type(target.value) is bool else target.value + 1
        else:
            _replace(changed, target, _SWAPS[type(target)]())
        made.append(ast.unparse(changed))
    return made


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if value is old:
                setattr(node, name, new)
            elif isinstance(value, list):
                value[:] = [new if item is old else item for item in value]


def _bounds() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (5, 6))
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))


def plain(program: str) -> bool:
    """Whether the program and its tests run to the end in one ordinary process."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-"], input=program.encode(), capture_output=True, timeout=60,
            preexec_fn=_bounds, check=False, cwd="/",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def humaneval(path: Path) -> list[tuple[str, str, str, TestSuite]]:
    """(task, reference program, tests as a program, suite)."""
    with gzip.open(path, "rt") as stream:
        rows = [json.loads(line) for line in stream]
    return [
        (
            row["task_id"], row["prompt"] + row["canonical_solution"],
            f"{row['test']}\ncheck({row['entry_point']})\n", TestSuite.from_humaneval(row),
        )
        for row in rows
    ]  # fmt: skip


def mbpp(path: Path) -> list[tuple[str, str, str, TestSuite]]:
    """The same for MBPP."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [
        (
            f"MBPP/{row['task_id']}", row["code"].replace("\r\n", "\n"),
            "\n".join([row["test_setup_code"], *row["test_list"]]), TestSuite.from_mbpp(row),
        )
        for row in rows
    ]  # fmt: skip


def measure(name: str, tasks: list[tuple[str, str, str, TestSuite]], options: Any) -> None:
    """Prints one dataset's rows of the table, and what the two runners disagree on."""
    chance = random.Random(options.seed)
    cases = [(task, source, tests, suite, "canonical") for task, source, tests, suite in tasks]
    for task, source, tests, suite in tasks:
        for program in mutants(source, options.mutants, chance):
            cases.append((task, program, tests, suite, "mutant"))
    with CodeVerifier(workers=options.workers, level=options.level) as verifier:
        verdicts = verifier.verify_batch(
            [(f"```python\n{source}\n```", suite) for _, source, _, suite, _ in cases]
        )
        level = verifier.level.name
    with ThreadPoolExecutor(options.workers) as pool:
        accepted = list(pool.map(lambda case: plain(f"{case[1]}\n{case[2]}"), cases))
    table: Counter[tuple[str, bool, str]] = Counter()
    for case, verdict, passes in zip(cases, verdicts, accepted, strict=True):
        table[case[4], passes, verdict.outcome.value] += 1
        if passes != (verdict.outcome == "correct"):
            runner = "accepts" if passes else "rejects"
            print(
                f"# {case[0]} {case[4]}: plain {runner}, {verdict.outcome}: {verdict.reason[:200]}"
            )
    for (kind, passes, outcome), count in sorted(table.items()):
        runner = "accepts" if passes else "rejects"
        print(f"| {name} | {level} | {kind} | {runner} | {outcome} | {count} |")
    print(f"# {name}: {sum(len(verdict.tests) for verdict in verdicts)} tests run")


def main() -> None:
    """Runs what is given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--humaneval", type=Path)
    parser.add_argument("--mbpp", type=Path)
    parser.add_argument("--mutants", type=int, default=2)
    parser.add_argument("--level", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| dataset | level | program | plain runner | verdict | count |")
    print("|---|---|---|---|---|---|")
    if options.humaneval:
        measure("HumanEval", humaneval(options.humaneval), options)
    if options.mbpp:
        measure("MBPP", mbpp(options.mbpp), options)


if __name__ == "__main__":
    main()
