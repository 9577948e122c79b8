"""Fits the centroids of a hidden-state verifier, and measures them on held-out prompts.

Features are read a few responses at a time and added up: memory does not grow with the file.
What is written is what was measured: held-out responses are not in the centroids.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.metrics.ranking import auroc
from rewardsvc.calibration.nearest_centroid import NearestCentroid
from rewardsvc.engines.hidden_states.centroid_files import FACTS, CentroidFacts, save_tensors
from rewardsvc.engines.hidden_states.engine import FeatureReader, Readings
from rewardsvc.engines.hidden_states.thinking import Markers
from rewardsvc.engines.loading import Settings
from rewardsvc.engines.model_files import check_model_directory, model_hash
from rewardsvc.errors import ConfigError
from rewardsvc.training.labelled_responses import (
    LabelledResponse,
    hold_out_prompts,
    load_labelled_responses,
)
from rewardsvc.training.preference_pairs import Messages
from rewardsvc.training.workspace import write_json

__all__ = ["LABELS", "FittedCentroids", "fit_centroids"]

LABELS = "labels.jsonl"
_AT_A_TIME = 64
_Take: TypeAlias = Callable[[NDArray[np.float32], Sequence[LabelledResponse]], None]
"""Takes features (some, layers, hidden), and the responses that they are of."""


@dataclass(frozen=True, slots=True)
class FittedCentroids:
    """What was fitted.

    Attributes:
        success_count: Right responses in the centroids.
        failure_count: Wrong ones.
        held_out: `responses`, `prompts`, `share_right`, `accuracy`, `auroc`, of held-out
            responses that could be read; None where undefined.
        skipped: Responses that could not be read, by why.
    """

    success_count: int
    failure_count: int
    held_out: dict[str, float | None]
    skipped: dict[str, int]


@dataclass(slots=True)
class _Sums:
    """Features of right and wrong responses, added up."""

    totals: dict[bool, NDArray[np.float64]] = field(default_factory=dict)
    counts: Counter[bool] = field(default_factory=Counter)

    def add(self, features: NDArray[np.float32], responses: Sequence[LabelledResponse]) -> None:
        for feature, response in zip(features.astype(np.float64), responses, strict=True):
            total = self.totals.setdefault(response.right, np.zeros_like(feature))
            total += feature
            self.counts[response.right] += 1

    def centroids(self) -> NearestCentroid:
        for right, name in ((True, "right"), (False, "wrong")):
            if not self.counts[right]:
                raise ConfigError(
                    f"of the responses to fit on, none that is {name} has thinking to read"
                )
        return NearestCentroid(
            self.totals[True] / self.counts[True], self.totals[False] / self.counts[False]
        )


def fit_centroids(
    labelled: Path,
    model: Path,
    out: Path,
    *,
    markers: Markers,
    settings: Settings,
    held_out_share: float = 0.2,
    seed: int = 0,
    report: Callable[[str], None] = lambda line: None,
) -> FittedCentroids:
    """Writes centroids of `model` to the folder `out`, absent or empty before.

    Beside them comes labels.jsonl, scores and labels of the held-out responses, to calibrate on.

    Raises:
        ConfigError: names what is wrong with the data, the model or the folder.
    """
    if not 0 < held_out_share < 1:
        raise ConfigError(f"held_out_share: is {held_out_share}; must be in (0, 1)")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: is not an empty folder; choose another")
    responses = load_labelled_responses(labelled)
    training, held_out = hold_out_prompts(responses, seed, held_out_share)
    check_model_directory(model)
    try:
        out.mkdir(parents=True, exist_ok=True)  # before the work, not after it
    except OSError as error:
        raise ConfigError(f"{out}: cannot be written: {error.strerror or error}") from None
    reader = FeatureReader(model, markers, settings)
    skipped: Counter[str] = Counter()

    sums = _Sums()
    _read_all(reader, training, sums.add, skipped, report, "to fit on")
    centroids = sums.centroids()
    labels: list[dict[str, Any]] = []

    def score(features: NDArray[np.float32], chosen: Sequence[LabelledResponse]) -> None:
        scores = centroids.distances(features).score.tolist()
        labels.extend(
            {"score": value, "label": int(response.right), "cluster_id": response.prompt_key[:16]}
            for value, response in zip(scores, chosen, strict=True)
        )

    _read_all(reader, held_out, score, skipped, report, "held out")
    measured = _quality(labels)
    right_count, wrong_count = sums.counts[True], sums.counts[False]

    lines = "".join(json.dumps(label) + "\n" for label in labels)
    (out / LABELS).write_text(lines, encoding="utf-8")
    facts = CentroidFacts(
        model_hash=model_hash(model),
        tensors_hash=save_tensors(out, centroids),
        layers=reader.shape[0],
        hidden_size=reader.shape[1],
        markers=markers,
        success_count=right_count,
        failure_count=wrong_count,
        made_from=f"{labelled.name}, {len(responses)} labelled responses",
    )
    write_json(out / FACTS, facts.to_json(measured))
    return FittedCentroids(right_count, wrong_count, measured, dict(skipped))


def _read_all(
    reader: FeatureReader,
    responses: Sequence[LabelledResponse],
    take: _Take,
    skipped: Counter[str],
    report: Callable[[str], None],
    what: str,
) -> None:
    """Gives the features of all readable responses to `take`, and counts the others."""
    # Responses to one prompt stand together, so that it is read once.
    ordered = sorted(responses, key=lambda response: response.prompt_key)
    for first in range(0, len(ordered), _AT_A_TIME):
        chosen = ordered[first : first + _AT_A_TIME]
        readings = _read_some(reader, chosen, take)
        skipped.update(why.kind for why in readings.nothing.values())
        skipped.update(f"could not be read: {reason}" for reason in readings.failures.values())
        report(f"{what}: {first + len(chosen)}/{len(ordered)} responses")


def _read_some(
    reader: FeatureReader, responses: Sequence[LabelledResponse], take: _Take
) -> Readings:
    groups: dict[Messages, list[str]] = {}
    for response in responses:
        groups.setdefault(response.messages, []).append(response.text)
    readings = reader.prepare(list(groups.items()))
    reader.read(
        readings,
        lambda places, features: take(features, [responses[place] for place in places.tolist()]),
    )
    return readings


def _quality(labels: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    right = np.array([label["label"] for label in labels], dtype=np.float64)
    scores = np.array([label["score"] for label in labels], dtype=np.float64)
    return {
        "responses": float(len(labels)),
        "prompts": float(len({label["cluster_id"] for label in labels})),
        "share_right": float(right.mean()) if labels else None,
        "accuracy": float(((scores > 0) == (right == 1)).mean()) if labels else None,
        "auroc": auroc(scores, right) if labels else None,
    }
