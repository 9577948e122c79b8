"""Losses by golden values and the properties their sources claim."""

from __future__ import annotations

import math

import pytest
import torch

from rewardsvc.training.losses import (
    LOSSES,
    bradley_terry,
    confidence_aware,
    label_smoothing,
    unbiased,
)
from rewardsvc.training.member import pair_loss
from rewardsvc.training.recipe import Recipe

MARGINS = torch.tensor([0.0, 2.0, -2.0], dtype=torch.float64)


def test_bradley_terry() -> None:
    torch.testing.assert_close(
        bradley_terry(MARGINS),
        torch.tensor([0.693147, 0.126928, 2.126928], dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )


def test_label_smoothing() -> None:
    # 0.9 · 0.126928 + 0.1 · 2.126928
    assert label_smoothing(MARGINS, 0.1)[1].item() == pytest.approx(0.326928, abs=1e-6)


def test_label_smoothing_is_least_at_the_log_odds_of_a_right_label() -> None:
    margin = torch.tensor(math.log(0.9 / 0.1), dtype=torch.float64, requires_grad=True)
    label_smoothing(margin, 0.1).backward()
    assert margin.grad is not None
    assert margin.grad.item() == pytest.approx(0, abs=1e-12)


def test_unbiased() -> None:
    # (0.9 · 0.126928 − 0.1 · 2.126928) / 0.8 = 0.126928 − 0.1 / 0.8 · 2
    assert unbiased(MARGINS, 0.1)[1].item() == pytest.approx(-0.123072, abs=1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.25, 0.45])
def test_the_mean_over_flips_of_the_unbiased_loss_is_the_clean_loss(rate: float) -> None:
    over_flips = (1 - rate) * unbiased(MARGINS, rate) + rate * unbiased(-MARGINS, rate)
    torch.testing.assert_close(over_flips, bradley_terry(MARGINS))


def test_confidence_aware() -> None:
    high, low = torch.tensor([1.0]), torch.tensor([-1.0])
    # Both comparisons right by 2: 2 · 0.126928; both wrong: 2 · 2.126928.
    assert confidence_aware(high, low, low, high).item() == pytest.approx(0.253856, abs=1e-5)
    assert confidence_aware(low, high, high, low).item() == pytest.approx(4.253856, abs=1e-5)


def test_the_loss_of_a_pair_adds_confidences_with_their_weight() -> None:
    # chosen 2, rejected 0; chosen with high and low 1, −1; rejected with high and low −1, 1.
    scores = torch.tensor([[2.0, 0.0, 1.0, -1.0, -1.0, 1.0]])
    recipe = Recipe("base", confidence_weight=0.5)
    assert pair_loss(scores, recipe).item() == pytest.approx(0.126928 + 0.5 * 0.253856, abs=1e-5)
    assert pair_loss(scores[:, :2], Recipe("base")).item() == pytest.approx(0.126928, abs=1e-5)


def test_every_loss_pulls_the_right_way() -> None:
    for name, loss in LOSSES.items():
        margin = torch.tensor(0.0, requires_grad=True)
        loss(margin, 0.2).backward()
        assert margin.grad is not None
        assert margin.grad.item() < 0, name
