"""Fits the learned objective on labelled member scores.

The weights minimise

    loss(w) + strength · ‖w − c·p‖²          w ≥ 0 unless signed weights are asked for

over w and the free scale c ≥ 0, on scores standardised by their own mean and std. p is a
robust prior: each member's weight when it is fitted alone (never below 0), so that strong
shrinkage gives a mean weighted by skill, and members that say nothing fade out. Losses:

* `pointwise`: logistic loss of the labels, with an intercept; uses comparisons across prompts.
* `within_prompt`: Bradley-Terry, −log σ(s_i − s_j), over the pairs of one prompt with label
  i > label j, weighted by the difference of labels, averaged in a prompt, then over prompts;
  a prompt's difficulty cancels.

Cross-validation holds out whole prompts, as responses to one prompt are not independent. For
each loss the strength is the one with the lowest held-out loss; between losses, `auto` takes
the one that orders more held-out pairs of a prompt right (ties count half). The calibration is
a logistic fit of the labels on held-out s (Platt 1999, without his smoothing of labels), so
that it does not believe scores that were fitted to the labels they are compared with.

A negative weight means "the worse this member finds it, the better". It can be right on the
labels (it may subtract a style that the labels correlate with) and is easily gamed by a policy
that learns to displease that member; hence non-negative is the default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rewardsvc.aggregate.learned import LearnedMember, LearnedObjective
from rewardsvc.aggregate.members import mask_failures
from rewardsvc.errors import ConfigError

__all__ = ["MINIMUM_LABELS", "STRENGTHS", "Loss", "fit_learned_objective"]

Array = NDArray[np.float64]
Loss = Literal["pointwise", "within_prompt"]

MINIMUM_LABELS = 20
"""Fewer complete labelled samples than this are refused."""
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_LOSSES: tuple[Loss, ...] = ("pointwise", "within_prompt")
_LEAST_STRENGTH = 1e-6


@dataclass(frozen=True)
class _Data:
    """Standardised scores (n, k), labels (n,) and prompt numbers (n,)."""

    z: Array
    labels: Array
    prompts: NDArray[np.intp]

    @cached_property
    def pairs(self) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
        """Better and worse of each pair of one prompt, and weights that sum to 1."""
        better, worse, weight = [], [], []
        order = np.argsort(self.prompts, kind="stable")
        starts = np.flatnonzero(np.diff(self.prompts[order])) + 1
        for rows in np.split(order, starts):
            difference = self.labels[rows][:, None] - self.labels[rows][None, :]
            i, j = np.nonzero(difference > 0)
            if len(i):
                better.append(rows[i])
                worse.append(rows[j])
                weight.append(difference[i, j] / difference[i, j].sum())
        if not better:
            empty = np.zeros(0, dtype=np.intp)
            return empty, empty, np.zeros(0)
        return np.concatenate(better), np.concatenate(worse), np.concatenate(weight) / len(weight)

    def part(self, rows: NDArray[np.bool_]) -> _Data:
        return _Data(self.z[rows], self.labels[rows], self.prompts[rows])


def fit_learned_objective(
    scores: NDArray[np.floating],
    labels: NDArray[np.floating],
    prompts: Sequence[str],
    names: Sequence[str],
    *,
    loss: Loss | Literal["auto"] = "auto",
    signed_weights: bool = False,
    folds: int = 5,
    seed: int = 0,
    made_from: str = "",
) -> LearnedObjective:
    """Weights and calibration for the members `names`.

    Args:
        scores: raw member scores, (samples, members); samples with a score that is not finite
            are left out and counted.
        labels: (samples,), in [0, 1]: 1 right or preferred, 0 wrong, shares in between.
        prompts: for each sample, what identifies its prompt.
        names: the members, one a column.
        loss: `auto` lets cross-validation choose.
        signed_weights: allows negative weights.
        folds: of the cross-validation by prompt, at least 2.
        seed: of the folds.
        made_from: the labels, in words; kept in the file.

    Raises:
        ConfigError: too few complete samples or prompts, labels or scores that do not vary, no
            prompt with unequal labels for `within_prompt`, or members that do not order the
            held-out labels.
    """
    if loss not in (*_LOSSES, "auto"):
        raise ConfigError(f"loss: is {loss!r}; allowed: auto, {', '.join(_LOSSES)}")
    if folds < 2:
        raise ConfigError(f"folds: is {folds}; must be at least 2")
    matrix = mask_failures(scores)
    complete = np.isfinite(matrix).all(axis=1)
    _, numbers = np.unique(np.asarray(prompts, dtype=object).astype(str), return_inverse=True)
    kept = matrix[complete]
    y = np.asarray(labels, dtype=np.float64)[complete]
    _check(kept, y, numbers[complete], names, folds)
    mean, std = kept.mean(axis=0), kept.std(axis=0)
    data = _Data((kept - mean) / std, y, numbers[complete])
    paired = len(data.pairs[0]) > 0
    if loss == "within_prompt" and not paired:
        raise ConfigError("loss: within_prompt needs prompts with unequal labels; there are none")
    candidates: tuple[Loss, ...] = (
        (loss,) if loss != "auto" else (_LOSSES if paired else _LOSSES[:1])
    )
    fold = _folds(data.prompts, folds, seed)
    tried = [_cross_validate(data, fold, name, signed_weights) for name in candidates]
    best = max(tried, key=lambda outcome: outcome.ordered)
    slope, intercept = _platt(best.held_out, data.labels)
    if slope <= 0:
        raise ConfigError(
            "the members do not order the labels: on held-out prompts a higher weighted score "
            f"goes with a lower label (slope {slope:.3g})"
        )
    prior = _prior(data, best.loss)
    weights, _ = _minimise(data.z, data, best.loss, prior, best.strength, signed_weights)
    if not np.abs(weights).sum() > 0:
        raise ConfigError("no member orders the labels: every weight came out as 0")
    weights = weights / np.abs(weights).sum()
    members = tuple(
        LearnedMember(name, float(m), float(s), float(w))
        for name, m, s, w in zip(names, mean, std, weights, strict=True)
    )
    evidence: dict[str, Any] = {
        "loss": best.loss,
        "strength": best.strength,
        "signed_weights": signed_weights,
        "labels": len(y),
        "prompts": len(np.unique(data.prompts)),
        "left_out_for_missing_scores": int((~complete).sum()),
        "share_right": round(float(y.mean()), 6),
        "held_out_pairs_ordered": {o.loss: round(o.ordered, 6) for o in tried if paired},
        "folds": folds,
        "seed": seed,
    }
    return LearnedObjective(members, slope, intercept, made_from, evidence)


def _check(
    scores: Array, labels: Array, prompts: NDArray[np.intp], names: Sequence[str], folds: int
) -> None:
    if len(labels) < MINIMUM_LABELS:
        raise ConfigError(
            f"{len(labels)} labelled samples with a score of every member; at least "
            f"{MINIMUM_LABELS} are needed"
        )
    if len(np.unique(prompts)) < folds:
        raise ConfigError(
            f"{len(np.unique(prompts))} prompts; cross-validation in {folds} folds needs as many"
        )
    if not ((labels >= 0) & (labels <= 1)).all():
        raise ConfigError("labels must be in [0, 1]")
    if labels.min() == labels.max():
        raise ConfigError(f"all {len(labels)} labels are {labels[0]:g}; they must vary")
    for name, column in zip(names, scores.T, strict=True):
        spread = float(column.std())
        if not (np.isfinite(spread) and spread > 0):
            raise ConfigError(f"member {name}: its scores have standard deviation {spread}")


@dataclass(frozen=True)
class _Outcome:
    """What cross-validation says of one loss at its best strength."""

    loss: Loss
    strength: float
    held_out: Array
    """The held-out s of every sample, in units of weights that sum to 1."""
    ordered: float
    """Share of held-out pairs of one prompt that are ordered right, ties half; 0 without pairs."""


def _cross_validate(data: _Data, fold: NDArray[np.intp], loss: Loss, signed: bool) -> _Outcome:
    parts = []
    for number in range(int(fold.max()) + 1):
        training, test = data.part(fold != number), data.part(fold == number)
        parts.append((fold == number, training, _prior(training, loss), test))
    best = (np.inf, STRENGTHS[0], np.zeros(len(data.labels)))
    for strength in STRENGTHS:
        total, held_out = 0.0, np.zeros(len(data.labels))
        for rows, training, prior, test in parts:
            weights, intercept = _minimise(training.z, training, loss, prior, strength, signed)
            total += rows.mean() * _LOSS_OF[loss](test.z, test, weights, intercept)[0]
            held_out[rows] = test.z @ weights / (np.abs(weights).sum() or 1.0)
        if total < best[0]:
            best = (total, strength, held_out)
    better, worse, weight = data.pairs
    ordered = weight @ (np.sign(best[2][better] - best[2][worse]) / 2 + 0.5)
    return _Outcome(loss, best[1], best[2], float(ordered))


def _folds(prompts: NDArray[np.intp], folds: int, seed: int) -> NDArray[np.intp]:
    distinct, inverse = np.unique(prompts, return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    return np.asarray((order % folds)[inverse], dtype=np.intp)


def _pointwise(
    z: Array, data: _Data, weights: Array, intercept: float
) -> tuple[float, Array, float]:
    """Mean logistic loss, and its derivatives by weights and intercept."""
    value = z @ weights + intercept
    loss = (np.logaddexp(0.0, value) - data.labels * value).mean()
    error = (_sigmoid(value) - data.labels) / len(value)
    return float(loss), error @ z, float(error.sum())


def _within_prompt(
    z: Array, data: _Data, weights: Array, intercept: float
) -> tuple[float, Array, float]:
    """Mean Bradley-Terry loss of the pairs, and its derivatives; the intercept cancels."""
    better, worse, weight = data.pairs
    difference = z[better] - z[worse]
    margin = difference @ weights
    loss = weight @ np.logaddexp(0.0, -margin)
    return float(loss), -(weight * _sigmoid(-margin)) @ difference, 0.0


_LOSS_OF: dict[Loss, Callable[[Array, _Data, Array, float], tuple[float, Array, float]]] = {
    "pointwise": _pointwise,
    "within_prompt": _within_prompt,
}


def _prior(data: _Data, loss: Loss) -> Array:
    """Each member's weight when fitted alone, >= 0, scaled to sum 1; uniform if all are 0."""
    alone = [
        _minimise(column[:, None], data, loss, np.zeros(1), _LEAST_STRENGTH, False)[0]
        for column in data.z.T
    ]
    prior = np.concatenate(alone)
    return np.asarray(prior / prior.sum()) if prior.any() else np.full(len(prior), 1 / len(prior))


def _minimise(
    z: Array, data: _Data, loss: Loss, prior: Array, strength: float, signed: bool
) -> tuple[Array, float]:
    """Weights (k,) for the scores z (n, k) and intercept that minimise the module's formula."""
    from scipy.optimize import minimize  # heavy: only in fits

    members = z.shape[1]

    def objective(parameters: Array) -> tuple[float, Array]:
        weights, scale, intercept = parameters[:members], parameters[-2], parameters[-1]
        value, by_weights, by_intercept = _LOSS_OF[loss](z, data, weights, intercept)
        away = weights - scale * prior
        gradient = [by_weights + 2 * strength * away, [-2 * strength * away @ prior]]
        return value + strength * float(away @ away), np.concatenate([*gradient, [by_intercept]])

    bounds = [(None, None) if signed else (0.0, None)] * members + [(0.0, None), (None, None)]
    start = np.concatenate([prior, [1.0, 0.0]])
    result = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(result.x[:members]), float(result.x[-1])


def _platt(values: Array, labels: Array) -> tuple[float, float]:
    """Slope and intercept of the labels' log-odds on (n,) held-out values."""
    column = values[:, None]
    data = _Data(column, labels, np.zeros(len(values), dtype=np.intp))
    # Next to no shrinkage: only for labels that the values separate.
    slope, intercept = _minimise(column, data, "pointwise", np.zeros(1), _LEAST_STRENGTH, True)
    return float(slope[0]), intercept


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(values / 2.0)))
