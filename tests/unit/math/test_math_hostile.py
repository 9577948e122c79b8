"""Hostile answers end undecided or right, in bounded memory, without blocking."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from math_hostile import HOSTILE
from rewardsvc_verifiers.math import MathVerifier, SymbolicTask
from rewardsvc_verifiers.verdict import Verdict
from rewardsvc_verifiers.workers import WorkerPool

_MEMORY = 1 << 30

# A process of its own, so that the address-space limit binds the verifier and nothing else.
_PROGRAM = f"""
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({_MEMORY}, {_MEMORY}))
sys.path.insert(0, sys.argv[1])
from math_hostile import HOSTILE
from rewardsvc_verifiers.math import MathVerifier
from rewardsvc_verifiers.workers import WorkerPool
found = []
with WorkerPool(size=2) as pool:
    verifier = MathVerifier(pool=pool)
    boxed = lambda text: "\\\\boxed{{" + text + "}}"
    pairs = [(boxed(a), b) for a, b in HOSTILE] + [(boxed(b), a) for a, b in HOSTILE]
    for verdict in verifier.verify_pairs(pairs):
        found.append([str(verdict.outcome), verdict.stage])
# Not RUSAGE_SELF: it begins with what the process that started this one held.
own = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
peak = max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(json.dumps([found, peak]))
"""

#: These are right: the two notations mean the same.
_RIGHT = {"0.3", "0.(", "(1,"}


def test_hostile_pairs_end_undecided_or_right_within_the_memory_limit() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(Path(__file__).parent)],
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found, peak_kilobytes = json.loads(done.stdout)
    assert len(found) == 2 * len(HOSTILE)
    wrong = [
        (answer[:40], reference[:40])
        for (answer, reference), (outcome, _) in zip(HOSTILE + HOSTILE, found, strict=True)
        if outcome == "correct" and answer[:3] not in _RIGHT
    ]
    assert wrong == []
    assert peak_kilobytes * 1024 < _MEMORY
    assert not any(outcome == "error" for outcome, _ in found)


@pytest.mark.parametrize("size", [10**5, 10**6])
@pytest.mark.parametrize(
    "piece",
    ["9", "(", "\\frac{", "x^{", "$ ", "\\[", "+1", "{", "\\boxed{", "<answer>", "answer: ", "####",
     "a", "1,", "\\text{", "|", "½", "\\\\", " ", "\n", "A:\n", ". ", "0."],
)  # fmt: skip
def test_a_megabyte_of_anything_is_answered(piece: str, size: int) -> None:
    verifier = MathVerifier()
    text = piece * (size // len(piece))
    for response in (text, f"\\boxed{{{text}}}", f"Answer: {text}"):
        found = verifier.attempt(response, verifier.prepare("7"))
        assert isinstance(found, (Verdict, SymbolicTask))
        outcome = found.undecided.outcome if isinstance(found, SymbolicTask) else found.outcome
        assert outcome != "correct"


async def test_the_event_loop_keeps_turning_under_hostile_load() -> None:
    """Attempts run on the loop; between any two of them, and during all tasks, it must turn."""
    with WorkerPool(size=2) as pool:
        verifier = MathVerifier(pool=pool)
        turns = 0
        done = False

        async def turn() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        await asyncio.sleep(0)
        for answer, reference in HOSTILE[:20]:
            result = verifier.attempt(f"\\boxed{{{answer}}}", verifier.prepare(reference))
            if isinstance(result, SymbolicTask):
                before = turns
                verdict = result.resolve(await asyncio.wrap_future(result.submit(pool)))
                assert turns > before
                assert verdict.outcome != "correct"
        done = True
        await turning


@pytest.mark.parametrize(
    "text",
    [
        r"open('marker','w').write('x')*0+\pi", "(open('marker','w').write('x')) # \\left(",
        "__import__('os').system('touch marker')", "().__class__.__bases__[0].__subclasses__()",
        "exec(\"open('marker','w')\")", "eval('1')", "lambda: 1", "sympify('1')",
    ],
)  # fmt: skip
def test_nothing_in_an_answer_is_executed(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with WorkerPool(size=1) as pool:
        verifier = MathVerifier(pool=pool)
        for reference in (r"\pi", "1", "x"):
            assert verifier.verify(f"\\boxed{{{text}}}", reference).outcome != "correct"
            verifier.verify(r"\boxed{1}", text)
    assert list(tmp_path.iterdir()) == []
