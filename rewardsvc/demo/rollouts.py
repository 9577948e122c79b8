"""Rollouts on generated problems: groups of responses as a policy in training might give."""

from __future__ import annotations

import random
from typing import Any

from rewardsvc.demo.problems import Mistake, Problem, Solution, Split, make_problem, solve

__all__ = ["draw_solution", "make_rollouts"]

_SHARE_WITHOUT_MISTAKE = 0.45


def draw_solution(problem: Problem, rng: random.Random) -> Solution:
    """A response as the imagined policy gives it: right in 45 % of cases."""
    right = rng.random() < _SHARE_WITHOUT_MISTAKE
    return solve(problem, None if right else rng.choice(list(Mistake)), rng)


def make_rollouts(
    problems: int = 60, seed: int = 2024, split: Split = Split.HELD_OUT
) -> list[dict[str, Any]]:
    """Records for a JSON lines file, `problems` groups of 4 to 8 responses.

    Each has `sample_id`, `prompt`, `response`, `reference` ({"answers": [text]}), and, for
    evaluation only, `label` (1 when the declared answer is right) and `mistake`.
    """
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    records = []
    for number in range(problems):
        problem = make_problem(rng, split)
        for index in range(rng.randint(4, 8)):
            solution = draw_solution(problem, rng)
            records.append(
                {
                    "sample_id": f"problem-{number:03d}-{index}",
                    "prompt": problem.text,
                    "response": solution.text,
                    "reference": {"answers": [str(problem.answer)]},
                    "label": int(solution.correct),
                    "mistake": solution.mistake.value if solution.mistake else "",
                }
            )
    return records
