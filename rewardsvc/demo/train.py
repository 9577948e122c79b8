"""Makes the bundled ensemble: `python -m rewardsvc.demo.train --output DIR`.

Writes five members, `standardisation.json` frozen on training problems, `labels.jsonl` (scores
and labels on calibration problems) and `card.json` with the accuracy on held-out problems. The
same seeds give the same files on one kind of CPU and version of torch; elsewhere rounding
differs, and the accuracies agree to about 0.02.

Everything is scored through the engine that serves the ensemble.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate import OBJECTIVES, Standardisation
from rewardsvc.demo.member_training import MemberRecipe, train_member
from rewardsvc.demo.problems import Mistake, Problem, Solution, Split, make_problem, solve
from rewardsvc.demo.rollouts import draw_solution

__all__ = ["MEMBERS", "evaluate", "held_out_samples", "main", "score_samples"]

MEMBERS = (
    MemberRecipe("member-1", seed=11, hidden=96, layers=3, heads=4, steps=1600),
    MemberRecipe("member-2", seed=12, hidden=96, layers=3, heads=6, steps=1600),
    MemberRecipe("member-3", seed=13, hidden=88, layers=4, heads=4, steps=1600),
    MemberRecipe("member-4", seed=14, hidden=80, layers=4, heads=4, steps=1600),
    MemberRecipe("member-5", seed=15, hidden=96, layers=2, heads=4, steps=1600),
)
TOKENIZER_SEED = 7
_REFERENCE_SEED, _CALIBRATION_SEED, HELD_OUT_SEED = 101, 102, 103

Sample = tuple[Problem, Solution]
Scores = NDArray[np.float64]


def held_out_samples(seed: int = HELD_OUT_SEED, problems: int = 1000) -> list[Sample]:
    """One right response and one with each mistake to held-out problems, in that order."""
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    samples = []
    for _ in range(problems):
        problem = make_problem(rng, Split.HELD_OUT)
        samples += [(problem, solve(problem, m, rng)) for m in (None, *Mistake)]
    return samples


def evaluate(scores: Scores, samples: Sequence[Sample]) -> dict[str, Any]:
    """How well (samples,) scores order `held_out_samples`.

    `pairwise_accuracy` is the share of (right, with a mistake) pairs of one problem ordered
    right (a tie counts half), `by_mistake` the same for each mistake, `auroc` that of scores
    across all problems for whether the declared answer is right.
    """
    table = scores.reshape(-1, 1 + len(Mistake))
    wins = np.sign(table[:, :1] - table[:, 1:]) / 2 + 0.5
    correct = np.array([solution.correct for _, solution in samples])
    return {
        "pairwise_accuracy": round(float(wins.mean()), 4),
        "auroc": round(_auroc(scores, correct), 4),
        "by_mistake": {
            mistake.value: round(float(wins[:, k].mean()), 4) for k, mistake in enumerate(Mistake)
        },
    }


def score_samples(directory: Path, samples: Iterable[Sample]) -> tuple[Scores, list[str]]:
    """Raw scores, shape (samples, members), and the members' names. Imports torch."""
    from rewardsvc.engines.sequence_classifier import SequenceClassifierEngine

    members = sorted(path.parent for path in directory.glob("*/config.json"))
    engine = SequenceClassifierEngine([str(member) for member in members], device="cpu")
    engine.start()
    request = [
        {"messages": [["user", problem.text], ["assistant", solution.text]]}
        for problem, solution in samples
    ]
    reply = engine.run(engine.prepare({"samples": request}))
    scores = np.frombuffer(reply["scores"]).reshape(len(request), len(members))
    return scores, [member.name for member in members]


def main() -> None:
    """Trains, standardises, labels and evaluates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--jobs", type=int, default=2, help="members trained at a time")
    parser.add_argument("--member", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    output: Path = arguments.output
    if arguments.member:
        (recipe,) = (recipe for recipe in MEMBERS if recipe.name == arguments.member)
        train_member(recipe, output / recipe.name, TOKENIZER_SEED)
        return
    output.mkdir(parents=True, exist_ok=True)
    _train_all(output, arguments.jobs)
    standardisation = _standardise(output)
    _label(output, standardisation)
    _write_card(output, standardisation)


def _train_all(output: Path, jobs: int) -> None:
    """Each member in a process of its own, on one thread."""

    def train(recipe: MemberRecipe) -> None:
        module = [sys.executable, "-m", "rewardsvc.demo.train"]
        order = ["--output", str(output), "--member", recipe.name]
        subprocess.run([*module, *order], check=True)  # noqa: S603 (our own module)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(train, MEMBERS))


def _rollouts(split: Split, seed: int, problems: int) -> list[Sample]:
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    samples = []
    for _ in range(problems):
        problem = make_problem(rng, split)
        samples += [(problem, draw_solution(problem, rng)) for _ in range(2)]
    return samples


def _standardise(output: Path) -> Standardisation:
    scores, names = score_samples(output, _rollouts(Split.TRAIN, _REFERENCE_SEED, 1000))
    standardisation = Standardisation.fit(
        scores, names, f"2 rollouts on each of 1000 training problems, seed {_REFERENCE_SEED}"
    )
    _write_json(output / "standardisation.json", standardisation.to_json())
    return standardisation


def _label(output: Path, standardisation: Standardisation) -> None:
    """Labels for calibrating the default objective, uncertainty_weighted."""
    samples = _rollouts(Split.CALIBRATION, _CALIBRATION_SEED, 500)
    raw, names = score_samples(output, samples)
    objective = OBJECTIVES["uncertainty_weighted"].with_parameters()
    with (output / "labels.jsonl").open("w", encoding="utf-8") as file:
        for score, (_, solution) in zip(
            objective(standardisation.apply(raw, names)), samples, strict=True
        ):
            record = {"score": round(float(score), 6), "label": int(solution.correct)}
            file.write(json.dumps(record) + "\n")


def _write_card(output: Path, standardisation: Standardisation) -> None:
    samples = held_out_samples()
    raw, names = score_samples(output, samples)
    standardised = standardisation.apply(raw, names)
    recipes = {recipe.name: recipe for recipe in MEMBERS}
    card = {
        "what": "Five tiny Bradley-Terry reward models for generated arithmetic word problems; "
        "for trying rewardsvc out, useless for anything else.",
        "made_by": "python -m rewardsvc.demo.train",
        "held_out": {
            "problems": len(samples) // (1 + len(Mistake)),
            "pairs": len(samples) // (1 + len(Mistake)) * len(Mistake),
            "note": "Problems whose numbers, taken together, are in no training problem, with "
            "the sentences of the training problems; the right response against one with "
            "each kind of mistake. auroc is across problems, against whether the answer is "
            "right.",
        },
        "members": {
            name: {
                "hidden": recipes[name].hidden,
                "layers": recipes[name].layers,
                "heads": recipes[name].heads,
                "seed": recipes[name].seed,
                "training_pairs": recipes[name].steps * recipes[name].pairs_per_step,
                **evaluate(raw[:, k], samples),
            }
            for k, name in enumerate(names)
        },
        "objectives": {
            name: evaluate(objective.with_parameters()(standardised), samples)
            for name, objective in OBJECTIVES.items()
        },
        "standardisation": standardisation.version,
    }
    _write_json(output / "card.json", card)
    for group in ("members", "objectives"):
        for name, entry in card[group].items():  # type: ignore[attr-defined]
            print(f"{name}: pairwise {entry['pairwise_accuracy']} auroc {entry['auroc']}")


def _auroc(scores: Scores, positive: NDArray[np.bool_]) -> float:
    """Share of (positive, negative) pairs that the scores order right; ties count half."""
    _, inverse, count = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[inverse]
    positives = int(positive.sum())
    below = ranks[positive].sum() - positives * (positives + 1) / 2
    return float(below / (positives * (len(scores) - positives)))


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
