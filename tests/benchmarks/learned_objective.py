"""The learned objective on real reward models' scores of RewardMATH.

    python tests/benchmarks/learned_objective.py PATH/rewardmath [--splits 40] [--csv FILE]

PATH/rewardmath holds one JSON file a model with the scores of ten solutions to each of 483
problems; solution 0 is right, the other nine are wrong. Everything is fitted (weights,
standardisation, the choice of the single model) on a random half of the problems and tested on
the other; the figure is the share of problems whose right solution scores strictly above all
nine wrong ones, over seeded splits: mean, standard deviation of the splits, and the difference
to the single model chosen on the training half, paired by split.

Three sets of members: the six reward models with one score; these and the aggregates of
Math-Shepherd's step scores; these and the judges' integer ratings. The right solutions of
RewardMATH are all of one source and the wrong ones of others, so weights of both signs can
learn the source's style; they are shown, and not for serving.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate import OBJECTIVES, Standardisation, fit_learned_objective

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

SCALAR = ("ArmoRM", "Eurus-RM", "grm_llama3", "internlm2", "oasst-rm", "beaver")
RATINGS = ("gpt4", "llama3_8B", "prometheus_7B")
STEPS: dict[str, Callable[[list[float]], float]] = {
    "Math_Shepherd.minimum": min,
    "Math_Shepherd.last": lambda steps: steps[-1],
    "Math_Shepherd.mean": lambda steps: float(np.mean(steps)),
    "Math_Shepherd.log_product": lambda steps: float(np.log(np.maximum(steps, 1e-6)).sum()),
}
MEMBERS = {
    "six reward models": SCALAR,
    "and step scores": (*SCALAR, *STEPS),
    "and judges' ratings": (*SCALAR, *STEPS, *RATINGS),
}


def load(folder: Path) -> tuple[list[str], dict[str, Array]]:
    """Problems, and for each member its scores (problems, solutions), the right one first."""
    order = [record["problem"] for record in _records(folder, SCALAR[0])]

    def table(model: str, of: Callable[..., float] = float) -> Array:
        rows: dict[str, list[float]] = {}
        for record in _records(folder, model):
            rows.setdefault(record["problem"], [of(score) for score in record["score"]])
        return np.array([rows[problem] for problem in order], dtype=np.float64)

    tables = {model: table(model) for model in (*SCALAR, *RATINGS)}
    tables |= {name: table("Math_Shepherd", of) for name, of in STEPS.items()}
    return order, tables


def _records(folder: Path, model: str) -> list[dict[str, Any]]:
    return json.loads((folder / f"{model}.json").read_text(encoding="utf-8"))


def right_is_best(scores: Array) -> float:
    """Share of (problems, solutions) rows whose first score is strictly above the others."""
    return float(np.mean(scores[:, 0] > scores[:, 1:].max(axis=1)))


def one_split(
    raw: Array, problems: list[str], names: tuple[str, ...], training: Indices, test: Indices
) -> tuple[dict[str, float], dict[str, float], dict[str, str]]:
    """Shares by method, learned weights by member, and what the fits chose."""
    _, solutions, members = raw.shape
    flat = raw[training].reshape(-1, members)
    alone = [right_is_best(raw[training, :, k]) for k in range(members)]
    shares = {
        "best single, chosen on training half": right_is_best(raw[test, :, int(np.argmax(alone))]),
        "internlm2 (best on all problems)": right_is_best(raw[test, :, names.index("internlm2")]),
    }
    standardised = Standardisation.fit(flat, names, "training half").apply(
        raw[test].reshape(-1, members), names
    )
    for name in ("mean", "worst_case", "uncertainty_weighted", "median"):
        values = OBJECTIVES[name].with_parameters()(standardised)
        shares[name] = right_is_best(values.reshape(-1, solutions))
    labels = np.tile(np.arange(solutions) == 0, len(training)).astype(np.float64)
    prompts = [problems[row] for row in training for _ in range(solutions)]
    weights: dict[str, float] = {}
    chosen: dict[str, str] = {}
    for method, options in (
        ("learned", {}),
        ("learned, pointwise loss", {"loss": "pointwise"}),
        ("learned, within-prompt loss", {"loss": "within_prompt"}),
        ("learned, signed weights", {"signed_weights": True}),
    ):
        objective = fit_learned_objective(flat, labels, prompts, names, **options)
        shares[method] = right_is_best(
            objective(raw[test].reshape(-1, members)).reshape(-1, solutions)
        )
        chosen[method] = f"{objective.fit['loss']} {objective.fit['strength']:g}"
        if method == "learned":
            weights = {member.name: member.weight for member in objective.members}
            probability = objective.probability(raw[test].reshape(-1, members))
            right = np.tile(np.arange(solutions) == 0, len(test))
            shares["(Brier score of learned)"] = float(np.mean((probability - right) ** 2))
            shares["(Brier score of the base rate)"] = float(np.mean((0.1 - right) ** 2))
    return shares, weights, chosen


def main() -> None:
    """Prints one table for each set of members."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="PATH/rewardmath")
    parser.add_argument("--splits", type=int, default=40)
    parser.add_argument("--csv", type=Path, help="write every split's shares here")
    arguments = parser.parse_args()
    problems, tables = load(arguments.folder)
    rows = []
    for title, names in MEMBERS.items():
        raw = np.stack([tables[name] for name in names], axis=-1)
        shares: dict[str, list[float]] = defaultdict(list)
        weights: dict[str, list[float]] = defaultdict(list)
        choices: dict[str, int] = defaultdict(int)
        for seed in range(arguments.splits):
            order = np.random.default_rng(seed).permutation(len(problems))
            half = len(problems) // 2
            split, weight, chosen = one_split(raw, problems, names, order[:half], order[half:])
            for method, share in split.items():
                shares[method].append(share)
                rows.append([title, seed, method, share])
            for name, value in weight.items():
                weights[name].append(value)
            choices[chosen["learned"]] += 1
        _show(title, shares, weights, choices)
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["members", "split", "method", "share"], *rows])


def _show(
    title: str,
    shares: dict[str, list[float]],
    weights: dict[str, list[float]],
    choices: dict[str, int],
) -> None:
    baseline = np.array(shares["best single, chosen on training half"])
    print(f"\n{title} ({len(weights)} members, {len(baseline)} splits)")
    print(f"{'':42}{'mean':>7}{'sd':>7}{'difference':>12}{'sd':>7}{'better in':>11}")
    for method, values in shares.items():
        difference = np.array(values) - baseline
        told = f"{method:42}{np.mean(values):7.3f}{np.std(values):7.3f}"
        if not method.startswith("("):
            wins = f"{int((difference > 0).sum())}/{len(values)}"
            told += f"{difference.mean():+12.3f}{difference.std():7.3f}{wins:>11}"
        print(told)
    ordered = sorted(weights.items(), key=lambda item: -float(np.mean(item[1])))
    print("  weights: " + ", ".join(f"{n} {np.mean(v):.2f}±{np.std(v):.2f}" for n, v in ordered))
    print("  chosen by cross-validation: " + ", ".join(f"{c} {n}" for c, n in choices.items()))


if __name__ == "__main__":
    main()
