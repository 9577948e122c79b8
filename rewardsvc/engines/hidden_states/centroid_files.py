"""The files of a hidden-state verifier's centroids, strictly checked; no torch, no pickle.

DIR/centroids.safetensors   `success` and `failure`, float32 (layers, hidden size)
DIR/centroids.json          what they are of: model, shape, markers, counts; written last
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from rewardsvc.calibration.nearest_centroid import NearestCentroid
from rewardsvc.engines.hidden_states.thinking import Markers
from rewardsvc.engines.model_files import hash_files, read_json
from rewardsvc.errors import ConfigError
from rewardsvc.strict_json import StrictReader

__all__ = ["FACTS", "CentroidFacts", "load_centroids", "read_facts", "save_tensors"]

FACTS = "centroids.json"
_TENSORS = "centroids.safetensors"
_SCHEMA = "rewardsvc.hidden_state_centroids/1"
_MOST_BYTES = 1 << 30
_COUNTS = ("layers", "hidden_size", "success_count", "failure_count")
_TEXTS = ("model_hash", "tensors_hash", "made_from")


@dataclass(frozen=True, slots=True)
class CentroidFacts:
    """What centroids are of.

    Attributes:
        model_hash: `model_files.model_hash` of the model whose hidden states they are.
        tensors_hash: SHA-256 of the tensors' file.
        layers: Layers of the model, at least 1.
        hidden_size: Its hidden size, at least 1.
        markers: What its thinking stands between.
        success_count: Right responses behind the one centroid, at least 1.
        failure_count: Wrong ones behind the other, at least 1.
        made_from: Where they came from, for people.
    """

    model_hash: str
    tensors_hash: str
    layers: int
    hidden_size: int
    markers: Markers
    success_count: int
    failure_count: int
    made_from: str = ""

    def to_json(self, held_out: Mapping[str, float | None]) -> dict[str, Any]:
        """The content of the file, with what was measured on held-out responses."""
        return {"schema": _SCHEMA, **asdict(self), "held_out": dict(held_out)}


def read_facts(directory: Path) -> CentroidFacts:
    """What the centroids of a folder are of.

    Raises:
        ConfigError: names the file and key, what is wrong and what is allowed.
    """
    path = directory / FACTS
    if not path.is_file():
        raise ConfigError(f"{directory}: not a folder of centroids: {FACTS} is missing")
    stored = StrictReader(read_json(path), str(path), _SCHEMA)
    stored.only({"schema", *_COUNTS, *_TEXTS, "markers", "held_out"})
    counts = {key: stored.count(key) for key in _COUNTS}
    for key, count in counts.items():
        if count < 1:
            raise ConfigError(f"{path}: {key}: is {count}; must be at least 1")
    markers = stored.texts("markers")
    if set(markers) != {"start", "end"}:
        raise ConfigError(f"{path}: markers: must have start and end, not {sorted(markers)}")
    stored.numbers_or_none("held_out")
    try:
        return CentroidFacts(
            stored.text("model_hash"),
            stored.text("tensors_hash"),
            counts["layers"],
            counts["hidden_size"],
            Markers(**markers),
            counts["success_count"],
            counts["failure_count"],
            stored.text("made_from"),
        )
    except ValueError as error:
        raise ConfigError(f"{path}: markers: {error}") from None


def load_centroids(directory: Path, facts: CentroidFacts) -> NearestCentroid:
    """The centroids of a folder, in float64.

    Raises:
        ConfigError: the tensors are not those that `facts` tell of; says how they differ.
    """
    path = directory / _TENSORS
    if not path.is_file():
        raise ConfigError(f"{directory}: not a folder of centroids: {_TENSORS} is missing")
    if path.stat().st_size > _MOST_BYTES:
        raise ConfigError(f"{path}: is larger than {_MOST_BYTES} bytes")
    if hash_files(path) != facts.tensors_hash:
        raise ConfigError(f"{path}: is not the file that {FACTS} tells of: its hash differs")
    try:
        tensors = load_file(path)
    except (SafetensorError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: cannot be read as safetensors: {error}") from None
    if set(tensors) != {"success", "failure"}:
        raise ConfigError(f"{path}: must hold success and failure, not {sorted(tensors)}")
    shape = (facts.layers, facts.hidden_size)
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32 or tensor.shape != shape:
            raise ConfigError(
                f"{path}: {name}: is {tensor.dtype} {tensor.shape}; must be float32 {shape}"
            )
        if not np.isfinite(tensor).all():
            raise ConfigError(f"{path}: {name}: has numbers that are not finite")
    return NearestCentroid(
        tensors["success"].astype(np.float64), tensors["failure"].astype(np.float64)
    )


def save_tensors(directory: Path, centroids: NearestCentroid) -> str:
    """Writes the tensors' file and gives its hash, for `CentroidFacts.tensors_hash`."""
    path = directory / _TENSORS
    tensors = {"success": centroids.right, "failure": centroids.wrong}
    # Not save_file: it makes files that only their owner may read.
    path.write_bytes(save({name: values.astype(np.float32) for name, values in tensors.items()}))
    return hash_files(path)
