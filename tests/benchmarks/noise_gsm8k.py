"""Noise rates and corrected means of two bad verifiers on real GSM8K solutions.

    python tests/benchmarks/noise_gsm8k.py PATH [--repeats 200]

PATH holds `gsm8k_model_solutions.jsonl`: four models' solutions to GSM8K's test questions, each
with the truth. The brittle verifier compares the final answer as a string with a reference that
was reformatted at random (1000, 1,000, 1000.0, $1000, 1000 dollars); the gullible one accepts
answers that share the reference's last digit. In each seeded repeat 5 % of the samples are
audited and both rates estimated. Printed: how often the rates' own 95 % intervals hold the true
rates (those over all samples), and the mean reward before and after correction.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rewardsvc.noise import (
    AuditedVerdict,
    NoiseEstimate,
    design_based_mean,
    estimate_noise,
    rogan_gladen_interval,
)

MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
AUDITED_SHARE = 0.05
ANSWER = re.compile(r"A:\s*(\S[^\n]{0,80})")
Draws = np.random.Generator


def reformatted(answer: str, draws: Draws) -> str:
    """The reference answer in one of five notations."""
    plain = answer.replace(",", "").strip()
    number = int(plain)
    return str(
        draws.choice(
            [plain, f"{number:,}", f"{plain}.0", f"${plain}", f"{plain} dollars"],
            p=[0.5, 0.2, 0.1, 0.1, 0.1],
        )
    )


def brittle(answer: str, reference: str, draws: Draws) -> bool:
    """Whether the answer is the reformatted reference, to the letter."""
    return answer == reformatted(reference, draws)


def gullible(answer: str, reference: str, draws: Draws) -> bool:
    """Whether the answers' last digits agree."""
    ours, theirs = (re.findall(r"[0-9]", text.split(".")[0]) for text in (answer, reference))
    return bool(ours) and ours[-1] == theirs[-1]


Verifier = Callable[[str, str, Draws], bool]


class Samples:
    """All responses: final answer, reference, truth, and the question they answer."""

    def __init__(self, path: Path) -> None:
        self.answers, self.references, self.questions = [], [], []
        truth = []
        file = path / "gsm8k_model_solutions.jsonl" if path.is_dir() else path
        for question, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            record = json.loads(line)
            for model in MODELS:
                solution = record[model]
                found = ANSWER.findall(solution["solution"])
                self.answers.append(found[-1].strip() if found else "")
                self.references.append(ANSWER.findall(record["ground_truth"])[-1])
                self.questions.append(question)
                truth.append(float(solution["is_correct"]))
        self.truth: NDArray[np.float64] = np.array(truth)

    def verdicts(self, verifier: Verifier, seed: int) -> NDArray[np.float64]:
        draws = np.random.default_rng(seed)
        pairs = zip(self.answers, self.references, strict=True)
        return np.array([float(verifier(*pair, draws)) for pair in pairs])


def audit(
    samples: Samples, accepted: NDArray[np.float64], seed: int, stratified: bool
) -> tuple[NoiseEstimate, NDArray[np.float64], NDArray[np.bool_]]:
    """The estimate from a random 5 %, with the inclusion probabilities and who was chosen.

    Stratified: half of the audits go to accepted and half to rejected verdicts.
    """
    chosen = np.full(len(accepted), AUDITED_SHARE)
    if stratified:
        shares = AUDITED_SHARE / 2 / np.array([1 - accepted.mean(), accepted.mean()])
        chosen = np.minimum(1.0, shares[accepted.astype(int)])
    taken = np.random.default_rng(seed).random(len(accepted)) < chosen
    rows = [
        AuditedVerdict(
            bool(accepted[k]),
            float(samples.truth[k]),
            float(chosen[k]),
            cluster_id=str(samples.questions[k]),
        )
        for k in np.flatnonzero(taken).tolist()
    ]
    return estimate_noise(rows, "verifier", level=0.95), chosen, taken


def measure(samples: Samples, name: str, verifier: Verifier, repeats: int, stratified: bool) -> str:
    """One row of the table."""
    held = {"false_positive_rate": 0, "false_negative_rate": 0}
    uncorrected, corrected, direct, covered, disabled = [], [], [], 0, 0
    accepted = samples.verdicts(verifier, seed=1)
    right = samples.truth == 1
    true = {
        "false_positive_rate": float(accepted[~right].mean()),
        "false_negative_rate": float(1 - accepted[right].mean()),
    }
    for seed in range(repeats):
        estimate, chosen, taken = audit(samples, accepted, 1000 + seed, stratified)
        cell = estimate.cell()
        disabled += not cell.enabled
        for rate in held:
            found = getattr(cell, rate)
            held[rate] += found.lower <= true[rate] <= found.upper
        mean = rogan_gladen_interval(
            float(accepted.mean()),
            float("inf"),
            cell.false_positive_rate,
            cell.false_negative_rate,
            level=0.95,
        )
        covered += mean.lower <= samples.truth.mean() <= mean.upper
        corrected.append(mean.mean - samples.truth.mean())
        uncorrected.append(accepted.mean() - samples.truth.mean())
        labels = np.where(taken, samples.truth, np.nan)
        direct.append(design_based_mean(accepted, labels, chosen).mean - samples.truth.mean())
    return (
        f"| {name} | {'by verdict' if stratified else 'at random'} "
        f"| {true['false_positive_rate']:.3f} | {held['false_positive_rate'] / repeats:.1%} "
        f"| {true['false_negative_rate']:.3f} | {held['false_negative_rate'] / repeats:.1%} "
        f"| {100 * np.mean(uncorrected):+.1f} "
        f"| {100 * np.mean(corrected):+.2f} ± {100 * np.std(corrected):.1f} "
        f"| {covered / repeats:.1%} "
        f"| {100 * np.mean(direct):+.2f} ± {100 * np.std(direct):.1f} | {disabled} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args()
    samples = Samples(arguments.path)
    audits = AUDITED_SHARE * len(samples.truth)
    print(
        f"{len(samples.truth)} responses, mean true reward {samples.truth.mean():.4f}; about "
        f"{audits:.0f} audited; {arguments.repeats} repeats\n"
    )
    print(
        "| verifier | audited | true FPR | in its interval | true FNR | in its interval "
        "| bias uncorrected, points | corrected | mean in its interval | DSL | disabled |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, verifier in (("brittle", brittle), ("gullible", gullible)):
        for stratified in (False, True):
            print(measure(samples, name, verifier, arguments.repeats, stratified), flush=True)


if __name__ == "__main__":
    main()
