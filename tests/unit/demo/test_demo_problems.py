"""Generated problems and solutions are what they say they are."""

from __future__ import annotations

import itertools
import random
import re
import subprocess
import sys

import numpy as np
import pytest

from rewardsvc.demo.evaluation import evaluate, held_out_samples
from rewardsvc.demo.problems import Mistake, Problem, Split, make_problem, solve
from rewardsvc.demo.rollouts import make_rollouts

CALCULATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
ANSWER = re.compile(r"\\boxed\{(\d+)\}")
COMPUTE = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
}


def problems(count: int = 300) -> list[Problem]:
    rng = random.Random(5)
    return [make_problem(rng, rng.choice(list(Split))) for _ in range(count)]


def calculations(text: str) -> list[tuple[int, str, int, int]]:
    return [(int(a), op, int(b), int(c)) for a, op, b, c in CALCULATION.findall(text)]


def test_right_solutions_are_right() -> None:
    rng = random.Random(6)
    for problem in problems():
        solution = solve(problem, None, rng)
        steps = calculations(solution.text)
        assert len(steps) == len(problem.steps) in (2, 3)
        for left, operation, right, result in steps:
            assert COMPUTE[operation](left, right) == result
            assert operation != "/" or left % right == 0
            assert str(right) in re.findall(r"\d+", problem.text)
        for (*_, result), (left, *_) in itertools.pairwise(steps):
            assert result == left
        assert ANSWER.findall(solution.text) == [str(problem.answer)] == [str(steps[-1][-1])]
        assert re.fullmatch(
            r"<think>\n(?s:.*)\n</think>\n<answer>\\boxed\{\d+\}</answer>", solution.text
        )
        assert solution.correct and solution.quality == 2


@pytest.mark.parametrize("mistake", list(Mistake))
def test_every_mistake_is_made(mistake: Mistake) -> None:
    rng = random.Random(7)
    for problem in problems():
        solution = solve(problem, mistake, rng)
        answers = ANSWER.findall(solution.text)
        right = solve(problem, None, rng)
        if mistake is Mistake.MISSING_TAGS:
            assert answers == [str(problem.answer)]
            assert solution.correct and solution.quality == 1
            assert solution.text.count("<think>") + solution.text.count("<answer>") < 2
            continue
        assert not solution.correct and solution.quality == 0
        steps = calculations(solution.text)
        wrong_sums = [s for s in steps if COMPUTE[s[1]](s[0], s[2]) != s[3]]
        match mistake:
            case Mistake.NO_ANSWER:
                assert answers == []
                continue
            case Mistake.MISCOPIED_ANSWER:
                assert steps == calculations(right.text)
                assert answers != [str(steps[-1][-1])]
            case Mistake.SLIP:
                assert len(wrong_sums) == 1
            case Mistake.WRONG_OPERATION | Mistake.MISREAD_NUMBER:
                assert wrong_sums == []
                assert len(steps) == len(problem.steps)
        assert len(answers) == 1 and answers != [str(problem.answer)]


def test_splits_share_no_calculations() -> None:
    rng = random.Random(8)
    seen = {split: {make_problem(rng, split).steps for _ in range(1500)} for split in Split}
    assert not seen[Split.TRAIN] & seen[Split.HELD_OUT]
    assert not seen[Split.TRAIN] & seen[Split.CALIBRATION]
    assert not seen[Split.CALIBRATION] & seen[Split.HELD_OUT]


def test_rollouts_are_groups_of_records() -> None:
    records = make_rollouts()
    assert records == make_rollouts()
    assert records != make_rollouts(seed=1)
    assert 240 <= len(records) <= 480
    assert len({record["sample_id"] for record in records}) == len(records)
    groups: dict[str, int] = {}
    for record in records:
        groups[record["prompt"]] = groups.get(record["prompt"], 0) + 1
        (answer,) = record["reference"]["answers"]
        assert record["label"] == int(ANSWER.findall(record["response"]) == [answer])
    assert 0.3 < sum(record["label"] for record in records) / len(records) < 0.7
    assert {record["mistake"] for record in records} == {"", *Mistake}
    assert min(groups.values()) >= 4


def test_evaluation_counts_what_it_says() -> None:
    samples = held_out_samples(seed=1, problems=20)
    quality = [float(solution.quality) for _, solution in samples]
    perfect = evaluate(np.array(quality), samples)
    assert perfect["pairwise_accuracy"] == perfect["auroc"] == 1.0
    assert set(perfect["by_mistake"].values()) == {1.0}
    inverted = evaluate(-np.array(quality), samples)
    assert inverted["pairwise_accuracy"] == inverted["auroc"] == 0.0
    nothing = evaluate(np.zeros(len(samples)), samples)
    assert nothing["pairwise_accuracy"] == nothing["auroc"] == 0.5


def test_generating_loads_no_models() -> None:
    program = (
        "import sys, rewardsvc.demo.rollouts, rewardsvc.demo.evaluation; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
