"""Labels as the fitting methods see them: plain arrays, with clusters in an order of hashes.

Clusters are numbered by the BLAKE2b hash of their id (as CJE, arXiv 2512.11150, orders its
folds): folds and splits depend on the ids alone, not on the order in which labels arrived.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.labels import LabelledScores
from rewardsvc.errors import ConfigError

__all__ = ["FOLDS", "Array", "CalibrationFailed", "Sample", "folds_of"]

Array = NDArray[np.float64]
FOLDS = 5


class CalibrationFailed(ConfigError):
    """The labels do not support a calibration; says why."""

    reason = "CALIBRATION_FAILED"


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """`scores`, `labels` in [0, 1], `weights` > 0 and `clusters`, each of shape (labels,).

    A weight is 1 / inclusion probability, scaled to mean 1; `clusters` are numbers from 0 in
    the order of their ids' hashes; `domains` are numbers of domains.
    """

    scores: Array
    labels: Array
    weights: Array
    clusters: NDArray[np.intp]
    domains: NDArray[np.intp]

    @classmethod
    def of(cls, data: LabelledScores) -> Sample:
        """The arrays of some labels."""
        assert data.inclusion_probabilities is not None
        # A label without a cluster is one of its own; its place is its id.
        ids = [
            f"c{cluster_id}" if cluster_id else f"n{place}"
            for place, cluster_id in enumerate(data.cluster_ids)
        ]
        digest = {name: hashlib.blake2b(name.encode(), digest_size=16).digest() for name in ids}
        number = {name: code for code, name in enumerate(sorted(digest, key=digest.__getitem__))}
        weights = 1 / data.inclusion_probabilities
        return cls(
            np.asarray(data.scores, dtype=np.float64),
            np.asarray(data.labels, dtype=np.float64),
            weights / weights.mean() if len(data) else weights,
            np.array([number[name] for name in ids], dtype=np.intp),
            np.unique(np.array(data.domains, dtype=str), return_inverse=True)[1].astype(np.intp),
        )

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, rows: NDArray[np.generic]) -> Sample:
        """The labels at `rows`, indices or a mask."""
        return Sample(
            self.scores[rows],
            self.labels[rows],
            self.weights[rows],
            self.clusters[rows],
            self.domains[rows],
        )

    def with_(self, *, scores: Array | None = None, weights: Array | None = None) -> Sample:
        """The same labels with other scores or weights."""
        return Sample(
            self.scores if scores is None else scores,
            self.labels,
            self.weights if weights is None else weights,
            self.clusters,
            self.domains,
        )

    @property
    def cluster_count(self) -> int:
        """Number of distinct clusters."""
        return len(np.unique(self.clusters))


def folds_of(sample: Sample, folds: int = FOLDS) -> NDArray[np.intp]:
    """The fold of each label, shape (labels,): whole clusters, dealt out in hash order.

    With few clusters there are max(2, clusters // 2) folds (CJE's rule).
    """
    _, codes = np.unique(sample.clusters, return_inverse=True)
    count = int(codes.max()) + 1 if len(codes) else 0
    return np.asarray(codes % max(2, min(folds, count // 2)), dtype=np.intp)
