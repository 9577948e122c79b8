"""What noise correction buys a policy gradient: training against a noisy verifier.

A softmax policy over eight answers to each of 32 sums is trained by REINFORCE, with a penalty
on the divergence from where it started, on rewards that a running server gives. The verifier
is the real one; it is made to err by the references it gets: a right response is compared with
another answer with probability rho1 = .3 (a false negative), a wrong one with itself with
probability rho0 = .1 (a false positive). What is reported is the clean reward that the policy
has reached, computed exactly, and never shown to it:

    oracle        the verifier without noise, leave-one-out baseline
    uncorrected   the noisy reward, leave-one-out baseline
    backward      the unbiased corrected reward, leave-one-out baseline
    forward       the forward weight, no baseline, divided by 1 - rho0 - rho1
    uncorrected/z, backward/z   both standardised within the group: the correction vanishes

    python tests/benchmarks/noisy_policy_gradient.py [--seeds 5] [--steps 150] [--plot FILE]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rewardsvc import Client
from rewardsvc.cli.local_server import local_server
from rewardsvc.types import Group, Reference, Response

RHO0, RHO1 = 0.1, 0.3
ANSWERS, ROLLOUTS = 8, 8
CONFIG = f"""
scorers: {{math: {{kind: math}}}}
rewards:
  plain: {{components: [{{scorer: math}}]}}
  backward:
    components:
    - scorer: math
      noise: {{mode: backward, false_positive_rate: {RHO0}, false_negative_rate: {RHO1}}}
  forward:
    components:
    - scorer: math
      noise: {{mode: forward, false_positive_rate: {RHO0}, false_negative_rate: {RHO1}}}
"""
ARMS = {
    "oracle": ("plain", "leave_one_out", False),
    "uncorrected": ("plain", "leave_one_out", True),
    "backward": ("backward", "leave_one_out", True),
    "forward": ("forward", "none", True),
    "uncorrected/z": ("plain", "z", True),
    "backward/z": ("backward", "z", True),
}
Array = NDArray[np.float64]


class Problems:
    """Sums with eight candidate answers each, the first of which is right."""

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        pairs = generator.integers(10, 500, (count, 2))
        self.prompts = [f"What is {a} + {b}?" for a, b in pairs.tolist()]
        right = pairs.sum(axis=1)
        wrong = np.array([generator.choice(np.arange(1, 60), ANSWERS - 1, False) for _ in right])
        self.answers = np.column_stack([right, right[:, None] + wrong])
        self.start = generator.normal(size=(count, ANSWERS))


def softmax(logits: Array) -> Array:
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def rewards_of(
    client: Client,
    reward: str,
    problems: Problems,
    actions: NDArray[np.int_],
    noisy: bool,
    generator: np.random.Generator,
) -> Array:
    """Rewards of the actions, shape (problems, rollouts), from the server."""
    flips = generator.random(actions.shape)
    groups = []
    for number, prompt in enumerate(problems.prompts):
        responses = []
        for place, action in enumerate(actions[number].tolist()):
            answer, right = problems.answers[number, action], problems.answers[number, 0]
            reference = right
            if noisy and action == 0 and flips[number, place] < RHO1:
                reference = problems.answers[number, 1]
            elif noisy and action != 0 and flips[number, place] < RHO0:
                reference = answer
            responses.append(
                Response(
                    f"{number}/{place}",
                    f"The answer is \\boxed{{{answer}}}.",
                    Reference(answers=(str(reference),)),
                )
            )
        groups.append(Group(str(number), prompt, tuple(responses)))
    results = client.score_groups(reward, groups)
    values = [[result.reward for result in group] for group in results]
    if any(value is None for row in values for value in row):
        raise RuntimeError("a sample has no reward")
    return np.array(values, dtype=np.float64)


def coefficients(rewards: Array, baseline: str) -> Array:
    if baseline == "none":
        return rewards / (1 - RHO0 - RHO1)
    if baseline == "z":
        return (rewards - rewards.mean(1, keepdims=True)) / (
            rewards.std(1, keepdims=True, ddof=1) + 1e-4
        )
    others = (rewards.sum(1, keepdims=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - others


def train(client: Client, arm: str, seed: int, arguments: argparse.Namespace) -> list[float]:
    """The clean reward after every step."""
    reward, baseline, noisy = ARMS[arm]
    problems = Problems(arguments.problems, np.random.default_rng(seed))
    generator = np.random.default_rng(10_000 + seed)
    logits = problems.start.copy()
    start = np.log(softmax(problems.start))
    course = []
    for _ in range(arguments.steps):
        policy = softmax(logits)
        cumulative = policy.cumsum(axis=1)
        draws = generator.random((len(logits), ROLLOUTS))
        actions = (draws[:, :, None] > cumulative[:, None, :]).sum(axis=2).clip(0, ANSWERS - 1)
        weights = coefficients(
            rewards_of(client, reward, problems, actions, noisy, generator), baseline
        )
        gradient = np.zeros_like(logits)
        for place in range(ROLLOUTS):
            chosen = np.eye(ANSWERS)[actions[:, place]]
            gradient += weights[:, place, None] * (chosen - policy) / ROLLOUTS
        ratio = np.log(policy) - start
        divergence = (policy * ratio).sum(1, keepdims=True)
        gradient -= arguments.penalty * policy * (ratio - divergence)
        logits += arguments.rate * gradient
        course.append(float(softmax(logits)[:, 0].mean()))
    return course


def limit(problems: Problems, scale: float, penalty: float) -> float:
    """Clean reward of the exact optimum of E[scale R*] - penalty KL."""
    optimum = problems.start.copy()
    optimum[:, 0] += scale / penalty
    return float(softmax(optimum)[:, 0].mean())


def report(courses: dict[str, Array], arguments: argparse.Namespace) -> None:
    print(f"clean reward, {arguments.seeds} seeds, {arguments.steps} steps; mean ± std over seeds")
    print(f"{'':14} {'halfway':>16} {'at the end':>16}")
    for arm, course in courses.items():
        cells = [
            f"{course[:, at].mean():.3f} ± {course[:, at].std(ddof=1):.3f}"
            for at in (arguments.steps // 2 - 1, -1)
        ]
        print(f"{arm:14} {cells[0]:>16} {cells[1]:>16}")
    seeds = range(arguments.seeds)
    for name, scale in (("clean", 1.0), ("uncorrected", 1 - RHO0 - RHO1)):
        values = [
            limit(Problems(arguments.problems, np.random.default_rng(s)), scale, arguments.penalty)
            for s in seeds
        ]
        print(f"exact optimum of the {name} objective: {np.mean(values):.3f}")


def plot(courses: dict[str, Array], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    for arm, course in courses.items():
        steps, mean, spread = np.arange(1, course.shape[1] + 1), course.mean(0), course.std(0)
        (line,) = axes.plot(steps, mean, label=arm, linestyle="--" if "/z" in arm else "-")
        axes.fill_between(steps, mean - spread, mean + spread, alpha=0.12, color=line.get_color())
    axes.set_xlabel("training step")
    axes.set_ylabel("clean reward (share right)")
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--problems", type=int, default=32)
    parser.add_argument("--rate", type=float, default=2.0, help="learning rate")
    parser.add_argument("--penalty", type=float, default=0.15, help="weight of the divergence")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args(arguments)
    courses = {}
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG)
        with local_server(config) as address, Client(address) as client:
            for arm in ARMS:
                courses[arm] = np.array(
                    [train(client, arm, seed, options) for seed in range(options.seeds)]
                )
    report(courses, options)
    if options.plot:
        plot(courses, options.plot)


if __name__ == "__main__":
    main()
