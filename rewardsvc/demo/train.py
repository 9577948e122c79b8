"""Makes the bundled ensemble: `python -m rewardsvc.demo.train --output DIR`.

Writes five members, `standardisation.json` frozen on training problems, `labels.jsonl` (scores
and labels on calibration problems) and `card.json` with the accuracy on held-out problems.
About a quarter of an hour on two cores. The same seeds give the same weights on one kind of
CPU and one version of torch; elsewhere rounding differs, and the weights with it.

Everything is scored through the engine that serves the ensemble.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from rewardsvc.aggregate import OBJECTIVES, Standardisation
from rewardsvc.demo.evaluation import Sample, Scores, evaluate, held_out_samples
from rewardsvc.demo.member_training import Recipe, train_member, train_trunk
from rewardsvc.demo.problems import Mistake, Split, make_problem
from rewardsvc.demo.rollouts import draw_solution

__all__ = ["CHECKING", "LANGUAGE", "MEMBERS", "main", "score_samples"]

LANGUAGE = Recipe("language", seed=7, steps=1200, rate=0.02, pairs_per_step=64)
CHECKING = Recipe("checking", seed=8, steps=600, rate=0.02, pairs_per_step=64)
MEMBERS = tuple(
    Recipe(f"member-{seed}", seed=seed, steps=400, rate=0.01, pairs_per_step=32)
    for seed in range(1, 6)
)
_REFERENCE_SEED, _CALIBRATION_SEED, _HELD_OUT_SEED = 101, 102, 103


def score_samples(directory: Path, samples: Iterable[Sample]) -> tuple[Scores, list[str]]:
    """Raw scores, shape (samples, members), and the members' names. Imports torch."""
    from rewardsvc.engines.reward_models import RewardModelEngine

    members = sorted(path.parent for path in directory.glob("*/config.json"))
    engine = RewardModelEngine(
        "bradley_terry",
        "full_models",
        {"directories": [str(member) for member in members]},
        {"device": "cpu", "threads": 1},
    )
    engine.start()
    groups = [
        {"messages": [["user", problem.text]], "responses": [solution.text]}
        for problem, solution in samples
    ]
    reply = engine.run(engine.prepare({"groups": groups}))
    scores = np.frombuffer(reply["outputs"]).reshape(len(groups), len(members))
    return scores, [member.name for member in members]


def main() -> None:
    """Trains, standardises, labels and evaluates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--jobs", type=int, default=2, help="members trained at a time")
    parser.add_argument("--trunk", type=Path, help="keep the trunk here, or take it from here")
    parser.add_argument("--member", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    output: Path = arguments.output
    if arguments.member:
        (recipe,) = (recipe for recipe in MEMBERS if recipe.name == arguments.member)
        train_member(recipe, arguments.trunk, output / recipe.name)
        return
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        trunk = arguments.trunk or Path(scratch)
        if not (trunk / "config.json").is_file():
            train_trunk(LANGUAGE, CHECKING, trunk)
        _train_members(output, trunk, arguments.jobs)
    standardisation = _standardise(output)
    _label(output, standardisation)
    _write_card(output, standardisation)


def _train_members(output: Path, trunk: Path, jobs: int) -> None:
    """Each member in a process of its own, on one thread."""

    def train(recipe: Recipe) -> None:
        module = [sys.executable, "-m", "rewardsvc.demo.train"]
        order = ["--output", str(output), "--trunk", str(trunk), "--member", recipe.name]
        subprocess.run([*module, *order], check=True)

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
    samples = held_out_samples(_HELD_OUT_SEED, 1000)
    raw, names = score_samples(output, samples)
    standardised = standardisation.apply(raw, names)
    recipes = {recipe.name: recipe for recipe in MEMBERS}
    card = {
        "what": "Five tiny Bradley-Terry reward models for generated arithmetic word problems; "
        "for trying rewardsvc out, useless for anything else.",
        "made_by": "python -m rewardsvc.demo.train",
        "trunk": {
            recipe.name: {
                "seed": recipe.seed,
                "solutions_read": recipe.steps * recipe.pairs_per_step,
            }
            for recipe in (LANGUAGE, CHECKING)
        },
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


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
