"""The bundled ensemble: light, servable, and as good as its card says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import rewardsvc.demo
from rewardsvc.calibration import METHODS
from rewardsvc.demo.evaluation import evaluate, held_out_samples
from rewardsvc.demo.problems import Mistake
from rewardsvc.demo.rollouts import make_rollouts
from rewardsvc.scorers.ensemble import EnsembleConfig, EnsembleScorer
from rewardsvc.types import Group, Response, Status

ENSEMBLE = Path(rewardsvc.demo.__file__).parent / "ensemble"
TOLERANCE = 0.03
"""About three standard errors on 150 problems with seven pairs each."""


@pytest.fixture(scope="module")
def card() -> dict[str, dict[str, dict[str, float]]]:
    content: dict[str, dict[str, dict[str, float]]] = json.loads(
        (ENSEMBLE / "card.json").read_text()
    )
    return content


def test_it_is_small() -> None:
    size = sum(path.stat().st_size for path in ENSEMBLE.rglob("*") if path.is_file())
    assert size < 4_000_000
    assert not [p for p in ENSEMBLE.rglob("*") if p.suffix in (".bin", ".pt", ".pkl")]


def test_its_card_claims_something(card: dict[str, dict[str, dict[str, float]]]) -> None:
    assert len(card["members"]) == 5
    for entry in (*card["members"].values(), *card["objectives"].values()):
        assert entry["pairwise_accuracy"] >= 0.8


async def test_it_scores_fresh_problems_as_well_as_its_card_says(
    tmp_path: Path, card: dict[str, dict[str, dict[str, float]]]
) -> None:
    samples = held_out_samples(seed=987, problems=150)
    size = 1 + len(Mistake)
    groups = [
        Group(
            str(at),
            samples[at][0].text,
            tuple(
                Response(str(at + k), solution.text)
                for k, (_, solution) in enumerate(samples[at : at + size])
            ),
        )
        for at in range(0, len(samples), size)
    ]
    rollouts = make_rollouts(problems=80, seed=988)
    groups += [
        Group(r["sample_id"], r["prompt"], (Response(r["sample_id"], r["response"]),))
        for r in rollouts
    ]
    config = EnsembleConfig(directory="bundled:demo", device="cpu", threads=1)
    scorer = EnsembleScorer("demo", config, tmp_path)
    try:
        await scorer.start()
        scored = [score for scores in await scorer.score(groups) for score in scores]
    finally:
        await scorer.close()
    assert {score.status for score in scored} == {Status.OK}
    scored, rollout_scores = scored[: len(samples)], scored[len(samples) :]

    values = np.array([score.value for score in scored], dtype=float)
    members = np.array([[m.score for m in score.members] for score in scored], dtype=float)
    columns = {
        "uncertainty_weighted": (values, card["objectives"]["uncertainty_weighted"]),
        **{name: (members[:, k], card["members"][name]) for k, name in enumerate(card["members"])},
    }
    for name, (column, claimed) in columns.items():
        found = evaluate(column, samples)
        for measure in ("pairwise_accuracy", "auroc"):
            assert found[measure] >= claimed[measure] - TOLERANCE, (name, measure)

    # The labels that come with it calibrate it for responses as a policy gives them.
    calibrator = METHODS["isotonic"](ENSEMBLE / "labels.jsonl")
    probabilities = calibrator.apply(np.array([score.value for score in rollout_scores]))
    labels = np.array([record["label"] for record in rollouts])
    assert probabilities.mean() == pytest.approx(labels.mean(), abs=0.1)
    assert np.square(probabilities - labels).mean() < 0.8 * labels.var()
