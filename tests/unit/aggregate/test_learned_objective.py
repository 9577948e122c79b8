"""The learned objective: golden values of the served form, what the fit must find, the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.aggregate import (
    FITTED_OBJECTIVES,
    LearnedMember,
    LearnedObjective,
    fit_learned_objective,
    load_objective,
)
from rewardsvc.errors import ConfigError

GOOD, WEAK = LearnedMember("good", 1.0, 2.0, 0.75), LearnedMember("weak", 0.0, 0.5, 0.25)
OBJECTIVE = LearnedObjective((GOOD, WEAK), slope=2.0, intercept=-1.0, made_from="by hand")


def labelled(
    seed: int, prompts: int = 60, skill: tuple[float, ...] = (2.0, 0.5, 0.0)
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Four responses a prompt, half right on average; each member sees the label plus noise."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, prompts * 4).astype(np.float64)
    noise = rng.normal(size=(len(labels), len(skill)))
    scores = labels[:, None] * np.array(skill) + noise
    return scores * [1, 10, 100] + [5, 0, -50], labels, [f"p{i // 4}" for i in range(len(labels))]


def test_golden_values() -> None:
    # z = (2, -1): s = 0.75·2 − 0.25·1 = 1.25, log-odds 2·1.25 − 1 = 1.5, σ(1.5) = 0.817574
    raw = np.array([[5.0, -0.5]])
    assert OBJECTIVE(raw) == pytest.approx([1.5])
    assert OBJECTIVE.probability(raw) == pytest.approx([0.8175744762])


def test_a_missing_member_is_taken_to_say_what_the_others_say() -> None:
    raw = np.array([[5.0, np.nan], [np.inf, -0.5], [np.nan, np.nan]])
    # s = 2 · 0.75 · (1 / 0.75) = 2, and −1
    np.testing.assert_allclose(OBJECTIVE(raw), [3.0, -3.0, np.nan])


def test_a_missing_member_without_weight_changes_nothing() -> None:
    silent = LearnedObjective((GOOD, LearnedMember("silent", 0.0, 1.0, 0.0)), 1.0, 0.0)
    np.testing.assert_allclose(silent(np.array([[5.0, 3.0], [5.0, np.nan]])), [1.5, 1.5])
    assert np.isnan(silent(np.array([[np.nan, 3.0]])))


@given(st.integers(0, 50), st.permutations(["a", "b", "c"]))
def test_order_of_members_does_not_matter(seed: int, order: list[str]) -> None:
    names = ["a", "b", "c"]
    members = tuple(LearnedMember(n, i, 1.0 + i, 0.5 - i / 3) for i, n in enumerate(names))
    objective = LearnedObjective(members, 1.0, 0.0)
    raw = np.random.default_rng(seed).normal(size=(4, 3))
    columns = [names.index(name) for name in order]
    np.testing.assert_allclose(objective.for_members(order)(raw[:, columns]), objective(raw))
    assert objective.for_members(order).version == objective.version


@pytest.mark.parametrize("loss", ["pointwise", "within_prompt", "auto"])
def test_the_fit_finds_who_knows(loss: Any) -> None:
    scores, labels, prompts = labelled(0, prompts=300)
    objective = fit_learned_objective(scores, labels, prompts, ["good", "weak", "noise"], loss=loss)
    weight = {member.name: member.weight for member in objective.members}
    assert weight["good"] > 2 * weight["weak"] > 0
    assert weight["noise"] < 0.1
    assert sum(abs(w) for w in weight.values()) == pytest.approx(1)
    assert all(w >= 0 for w in weight.values())


def test_the_fit_beats_the_mean_and_is_calibrated_on_other_prompts() -> None:
    scores, labels, prompts = labelled(1, prompts=400)
    objective = fit_learned_objective(scores, labels, prompts, ["good", "weak", "noise"])
    fresh, truth, _ = labelled(2, prompts=2000)
    probability = objective.probability(fresh)
    # With unit noise the log-odds of the truth are 2x + 0.5y − (4 + 0.25) / 2 (Bayes).
    clean = (fresh - [5, 0, -50]) / [1, 10, 100]
    bayes = 1 / (1 + np.exp(2.125 - 2 * clean[:, 0] - 0.5 * clean[:, 1]))
    assert np.abs(probability - bayes).max() < 0.15
    assert np.mean((probability - truth) ** 2) < np.mean((bayes - truth) ** 2) + 0.003
    for low in (0.1, 0.3, 0.7):
        rows = (probability >= low) & (probability < low + 0.2)
        assert probability[rows].mean() == pytest.approx(truth[rows].mean(), abs=0.05)


def test_an_inverted_member_gets_a_negative_weight_only_when_asked() -> None:
    scores, labels, prompts = labelled(3, skill=(1.0, 0.0, -2.0))
    names = ["good", "noise", "inverted"]
    safe = fit_learned_objective(scores, labels, prompts, names)
    assert safe.members[2].weight == pytest.approx(0, abs=1e-6)
    signed = fit_learned_objective(scores, labels, prompts, names, signed_weights=True)
    assert signed.members[2].weight < -0.3


def test_difficulty_of_prompts_cancels_within_them() -> None:
    """A member that only knows how easy a prompt is says nothing within one."""
    rng = np.random.default_rng(4)
    easy = np.repeat(rng.normal(size=80), 4)
    labels = (rng.random(320) < 1 / (1 + np.exp(-3 * easy))).astype(np.float64)
    scores = np.stack([easy, labels + rng.normal(size=320)], axis=1)
    prompts = [f"p{i // 4}" for i in range(320)]

    def weight(loss: Any) -> float:
        return (
            fit_learned_objective(scores, labels, prompts, ["easy", "good"], loss=loss)
            .members[0]
            .weight
        )

    assert weight("pointwise") > 0.5
    assert weight("within_prompt") < 0.01


def test_incomplete_samples_are_left_out_and_counted() -> None:
    scores, labels, prompts = labelled(5)
    scores[::7, 1] = np.nan
    objective = fit_learned_objective(scores, labels, prompts, ["a", "b", "c"])
    assert objective.fit["left_out_for_missing_scores"] == len(labels[::7])
    assert objective.fit["labels"] == len(labels) - len(labels[::7])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s, y, p: (s[:10], y[:10], p[:10]), "10 labelled samples"),
        (lambda s, y, p: (s, np.ones_like(y), p), "they must vary"),
        (lambda s, y, p: (s, y * 2, p), r"in \[0, 1\]"),
        (lambda s, y, p: (s, y, ["one"] * len(p)), "1 prompts"),
        (lambda s, y, p: (s * [0, 1, 1], y, p), "member a: .* standard deviation 0"),
        (lambda s, y, p: (-s, y, p), "do not order the labels|no member orders"),
    ],
)
def test_what_cannot_be_fitted_is_refused(change: Any, message: str) -> None:
    scores, labels, prompts = change(*labelled(6, prompts=100))
    with pytest.raises(ConfigError, match=message):
        fit_learned_objective(scores, labels, prompts, ["a", "b", "c"])


def test_within_prompt_needs_unequal_labels_in_a_prompt() -> None:
    scores, labels, _ = labelled(7)
    alone = [str(i) for i in range(len(labels))]
    with pytest.raises(ConfigError, match="within_prompt needs"):
        fit_learned_objective(scores, labels, alone, ["a", "b", "c"], loss="within_prompt")
    assert fit_learned_objective(scores, labels, alone, ["a", "b", "c"]).fit["loss"] == "pointwise"


def test_the_file_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "learned_objective.json"
    scores, labels, prompts = labelled(8)
    names = ["a", "b", "c"]
    objective = fit_learned_objective(scores, labels, prompts, names, made_from="test labels")
    objective.save(path)
    again = FITTED_OBJECTIVES["learned"](path, names)
    assert again == objective
    np.testing.assert_array_equal(again(scores), objective(scores))
    np.testing.assert_allclose(
        load_objective(path, ["c", "a", "b"])(scores[:, [2, 0, 1]]), objective(scores), atol=1e-12
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(extra=1), "unknown key 'extra'"),
        (lambda c: c.update(format="x/9"), "format: is 'x/9'"),
        (lambda c: c.update(slope=-1.0), "slope: must be > 0"),
        (lambda c: c.update(slope=True), "slope: must be a finite number"),
        (lambda c: c.update(intercept=None), "intercept: must be a finite number"),
        (lambda c: c.update(intercept=float("nan")), "NaN stands where"),
        (lambda c: c.update(members={}), "members: must map"),
        (lambda c: c["members"]["good"].update(std=0.0), "members.good.std: must be > 0"),
        (lambda c: c["members"]["good"].pop("std"), "members.good: must have exactly"),
        (lambda c: c["members"]["good"].update(weight=0.5), "changed after it was made"),
        (lambda c: c.pop("version"), "version: is None"),
    ],
)
def test_a_changed_file_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "learned_objective.json"
    content = OBJECTIVE.to_json()
    change(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        load_objective(path, ["good", "weak"])


def test_other_members_than_the_fitted_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "learned_objective.json"
    OBJECTIVE.save(path)
    with pytest.raises(ConfigError, match=r"no weight for new and was fitted with weak"):
        load_objective(path, ["good", "new"])
    with pytest.raises(ConfigError, match="no such file"):
        load_objective(tmp_path / "absent.json", ["good"])


def test_numbers_that_are_not_finite_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        LearnedObjective((GOOD,), float("inf"), 0.0).save(tmp_path / "x.json")
