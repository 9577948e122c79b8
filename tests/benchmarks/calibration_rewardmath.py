"""Calibration on real scores: fit on half of the problems, test on the other half.

    python tests/benchmarks/calibration_rewardmath.py PATH [--splits 300] [--methods isotonic]

PATH holds `rewardmath/*.json` (scores of reward models, judges and a process reward model for
ten solutions each of 483 MATH problems, one of the ten right) and `math_cot_50.jsonl` (50
problems, eight responses each). Before: the scorer's usual reading as a probability: a sigmoid
for scalar rewards, (rating - lowest) / (highest - lowest) for ratings, the smallest step
probability for a process reward model. After: the fitted map. Both on the held-out half.

Tables: calibration errors (means over the first 20 splits; `floor` is the ECE that labels
drawn from the calibrated probabilities themselves would show, which no calibration can go
below); and how often the 90 % interval for the mean true reward of a held-out slice holds it:
of a random half of the held-out responses, and of the 30 % with the highest scores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration import METHODS, LabelledScores
from rewardsvc.calibration.mean import slice_mean
from rewardsvc.calibration.method import or_constant
from rewardsvc.calibration.metrics import (
    auroc,
    debiased_l2_squared,
    expected_calibration_error,
    smooth_ece,
)
from rewardsvc.calibration.sample import Sample

ERROR_SPLITS = 20
FLOOR_DRAWS = 20
ERRORS = (debiased_l2_squared, expected_calibration_error, smooth_ece)
RATINGS = {"gpt4": (1, 10), "llama3_8B": (1, 10), "prometheus_7B": (1, 5)}


class Scorer(NamedTuple):
    """One scorer's raw scores, usual probabilities and labels, each (responses,)."""

    name: str
    scores: NDArray[np.float64]
    usual: NDArray[np.float64]
    labels: NDArray[np.float64]
    problems: NDArray[np.intp]


class Split(NamedTuple):
    """Labels to fit on, and what is held out."""

    fitted_on: LabelledScores
    held_out: NDArray[np.intp]
    draws: np.random.Generator


def load(path: Path) -> Iterator[Scorer]:
    """Every scorer there is."""
    for file in sorted((path / "rewardmath").glob("*.json")):
        rows = json.loads(file.read_text(encoding="utf-8"))
        scores = np.array(
            [min(s) if isinstance(s, list) else s for row in rows for s in row["score"]], float
        )
        labels = np.array([float(k == 0) for row in rows for k in range(len(row["score"]))])
        problems = np.array([p for p, row in enumerate(rows) for _ in row["score"]])
        if isinstance(rows[0]["score"][0], list):
            usual = scores
        elif file.stem in RATINGS:
            low, high = RATINGS[file.stem]
            usual = np.clip((scores - low) / (high - low), 0, 1)
        else:
            usual = np.exp(-np.logaddexp(0, -scores))
        yield Scorer(file.stem, scores, usual, labels, problems)
    rows = [json.loads(line) for line in (path / "math_cot_50.jsonl").open(encoding="utf-8")]
    scores = np.array([score[0] for row in rows for score in row["pred_score"]], float)
    labels = np.array([float(right) for row in rows for right in row["score"]])
    problems = np.array([p for p, row in enumerate(rows) for _ in row["score"]])
    yield Scorer("math_cot_50", scores, np.exp(-np.logaddexp(0, -scores)), labels, problems)


def splits(scorer: Scorer, count: int) -> Iterator[Split]:
    """Seeded halves of the problems."""
    problems = np.unique(scorer.problems)
    for seed in range(count):
        draws = np.random.default_rng(seed)
        half = draws.permutation(problems)[: len(problems) // 2]
        inside = np.isin(scorer.problems, half)
        yield Split(
            LabelledScores(
                scorer.scores[inside],
                scorer.labels[inside],
                tuple(f"problem-{p}" for p in scorer.problems[inside].tolist()),
            ),
            np.flatnonzero(~inside),
            draws,
        )


def errors_of(scorer: Scorer, method: str, count: int) -> str:
    """A row of the first table."""
    rows = []
    for split in splits(scorer, count):
        held = split.held_out
        fitted = or_constant(METHODS[method].fit)(Sample.of(split.fitted_on))
        labels, after = scorer.labels[held], fitted(scorer.scores[held])
        floors = [
            expected_calibration_error(after, (split.draws.random(len(after)) < after) * 1.0)
            for _ in range(FLOOR_DRAWS)
        ]
        measured = [
            tuple(error(p, labels) for error in ERRORS) for p in (scorer.usual[held], after)
        ]
        rows.append((*measured[0], *measured[1], float(np.mean(floors))))
    square_before, ece_before, smooth_before, square_after, ece_after, smooth_after, floor = (
        np.mean(rows, axis=0).tolist()
    )
    # Squares are unbiased and may be negative in one split: averaged before the root.
    before, after_ = (max(0.0, square) ** 0.5 for square in (square_before, square_after))
    return (
        f"| {scorer.name} | {method} | {auroc(scorer.scores, scorer.labels):.3f} "
        f"| {before:.4f} | {after_:.4f} | {_times(before, after_)} "
        f"| {ece_before:.4f} | {ece_after:.4f} | {_times(ece_before, ece_after)} | {floor:.4f} "
        f"| {smooth_before:.4f} | {smooth_after:.4f} |"
    )


def coverage_of(scorer: Scorer, method: str, count: int) -> str:
    """A row of the second table."""
    found: dict[str, list[tuple[float, float, float]]] = {"random": [], "top": []}
    for split in splits(scorer, count):
        held = split.held_out
        order = np.argsort(-scorer.scores[held] + 1e-9 * split.draws.random(len(held)))
        slices = {
            "random": held[split.draws.random(len(held)) < 0.5],
            "top": held[order[: len(held) * 3 // 10]],
        }
        for name, rows in slices.items():
            problems = tuple(f"problem-{p}" for p in scorer.problems[rows].tolist())
            mean = slice_mean(split.fitted_on, scorer.scores[rows], problems, method=method)
            truth = scorer.labels[rows].mean()
            found[name].append(
                (mean.lower <= truth <= mean.upper, mean.upper - mean.lower, mean.mean - truth)
            )
    cells = []
    for values in found.values():
        held_share, width, bias = np.mean(values, axis=0).tolist()
        cells.append(f"{held_share:.1%} | {width:.3f} | {100 * bias:+.2f}")
    return f"| {scorer.name} | {method} | {' | '.join(cells)} |"


def _times(before: float, after: float) -> str:
    return f"{before / after:.0f}×" if after > 0 else "to 0"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--splits", type=int, default=300)
    parser.add_argument("--methods", nargs="+", default=["isotonic"], choices=sorted(METHODS))
    parser.add_argument("--scorers", nargs="*", default=[])
    arguments = parser.parse_args()
    scorers = [
        s for s in load(arguments.path) if not arguments.scorers or s.name in arguments.scorers
    ]
    print(
        "| scorer | method | AUROC | debiased L2 before | after | cut | ECE before | after | cut "
        "| floor | smooth ECE before | after |"
    )
    print("|" + "---|" * 12)
    for scorer in scorers:
        for method in arguments.methods:
            print(errors_of(scorer, method, min(ERROR_SPLITS, arguments.splits)), flush=True)
    print(
        "\n| scorer | method | random half: interval holds | width | bias, points "
        "| top 30 %: interval holds | width | bias, points |"
    )
    print("|" + "---|" * 8)
    for scorer in scorers:
        print(coverage_of(scorer, arguments.methods[0], arguments.splits), flush=True)


if __name__ == "__main__":
    main()
