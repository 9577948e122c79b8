"""Right or wrong by which centroid of hidden states a response is nearer to (CLUE).

arXiv 2510.01591: a response's feature is the difference of the hidden states at the end and at
the start of its reasoning, one vector a layer; the centroids are the means over right and over
wrong responses; the distance to a centroid is the mean over layers of the Euclidean distance;
a response is right if it is nearer to the right ones' centroid. Nothing is trained. The score,
distance to wrong less distance to right, is larger for better responses and unbounded:
calibrate it. A response whose reasoning has no end has no feature: abstain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rewardsvc.calibration.sample import Array, CalibrationFailed

__all__ = ["CentroidDistances", "NearestCentroid"]


class CentroidDistances(NamedTuple):
    """Distances of some responses to either centroid, each (responses,); NaN: abstain."""

    to_right: Array
    to_wrong: Array

    @property
    def score(self) -> Array:
        """Above 0 where a response is nearer to the right ones; NaN: abstain."""
        return self.to_wrong - self.to_right


@dataclass(frozen=True, eq=False)
class NearestCentroid:
    """The centroids of right and of wrong responses, each (layers, width)."""

    right: Array
    wrong: Array

    @classmethod
    def fit(cls, features: NDArray[np.floating], labels: NDArray[np.floating]) -> NearestCentroid:
        """From features (responses, layers, width) and labels (responses,) of 0 or 1.

        Responses whose features are not all finite are left out.

        Raises:
            CalibrationFailed: no right or no wrong response is left.
            ValueError: shapes that do not fit, or a label other than 0 and 1.
        """
        values, truth = np.asarray(features, dtype=np.float64), np.asarray(labels)
        if values.ndim != 3 or truth.shape != values.shape[:1]:
            raise ValueError(
                "features must be (responses, layers, width) and labels (responses,), not "
                f"{values.shape} and {truth.shape}"
            )
        if not ((truth == 0) | (truth == 1)).all():
            raise ValueError("labels must be 0 or 1")
        usable = np.isfinite(values).all(axis=(1, 2))
        for name, wanted in (("right", 1), ("wrong", 0)):
            if not (usable & (truth == wanted)).any():
                raise CalibrationFailed(f"there is no {name} response with finite hidden states")
        return cls(
            values[usable & (truth == 1)].mean(axis=0), values[usable & (truth == 0)].mean(axis=0)
        )

    def distances(self, features: NDArray[np.floating]) -> CentroidDistances:
        """The distances of responses with features (responses, layers, width).

        Raises:
            ValueError: features of another shape than the centroids.
        """
        values = np.asarray(features, dtype=np.float64)
        if values.ndim != 3 or values.shape[1:] != self.right.shape:
            raise ValueError(
                f"features must be (responses, {self.right.shape[0]}, {self.right.shape[1]}), "
                f"not {values.shape}"
            )
        finite = np.isfinite(values).all(axis=(1, 2), keepdims=True)
        values = np.where(finite, values, np.nan)
        to_right, to_wrong = (
            np.linalg.norm(values - centroid, axis=2).mean(axis=1)
            for centroid in (self.right, self.wrong)
        )
        return CentroidDistances(to_right, to_wrong)
