"""What holds for every kind of shaping."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsvc.shaping import SHAPERS, GroupView, Shaped, Shaper, shape_group

SETTINGS = {
    "constraints": {"at_least": {"p": 0.5}},
    "length_penalty": {"free": 2, "hard": 20},
    "process_outcome": {"process": "p", "outcome": "o"},
    "trust_weighted_process": {"process": "p", "outcome": "o"},
}
maybe = st.sampled_from([0.0, 0.25, 1.0, math.nan])


def make(kind):
    return SHAPERS[kind].model_validate({"kind": kind, **SETTINGS.get(kind, {})})


@st.composite
def views(draw):
    size = draw(st.integers(1, 5))

    def column():
        return np.array([draw(maybe) for _ in range(size)])

    return GroupView(
        column(),
        {"p": column(), "o": column()},
        np.round(column()),
        column(),
        column(),
        column() * 40,
        tuple(draw(st.none() | st.text(max_size=9)) for _ in range(size)),
        {"tokens": column()},
        tuple(np.array([draw(maybe) for _ in range(draw(st.integers(0, 3)))]) for _ in range(size)),
        "batch",
    )


@pytest.mark.parametrize("kind", sorted(SHAPERS))
@given(group=views())
def test_no_reward_is_invented_and_none_is_lost_without_a_reason(kind, group):
    account = shape_group([make(kind)], group)
    before, after = np.isfinite(group.rewards), np.isfinite(account.rewards)
    assert not np.any(after & ~before)
    assert set(account.reasons) == set(np.flatnonzero(before & ~after).tolist())
    for place, (term,) in enumerate(account.terms):
        assert term.name == kind
        assert (term.after is None) == (not after[place])
        assert all(math.isfinite(value) for value in term.values.values())


@pytest.mark.parametrize("kind", sorted(SHAPERS))
@given(group=views())
def test_the_order_of_the_responses_does_not_matter(kind, group):
    order = np.arange(len(group))[::-1]
    turned = GroupView(
        group.rewards[order],
        {name: part[order] for name, part in group.components.items()},
        group.correct[order],
        group.confidence[order],
        group.stated_confidence[order],
        group.characters[order],
        tuple(group.texts[k] for k in order),
        {name: value[order] for name, value in group.values.items()},
        tuple(group.steps[k] for k in order),
        group.batch_id,
    )
    here = shape_group([make(kind)], group).rewards
    there = shape_group([make(kind)], turned).rewards
    assert np.allclose(here[order], there, equal_nan=True)


def test_an_incomplete_group_gets_no_group_wise_reward():
    group = GroupView(np.array([1.0, 0.0]))
    account = shape_group([make("virtual_maximum")], group, missing=3)
    assert np.isnan(account.rewards).all()
    assert "3 responses are missing" in account.reasons[0]
    complete = shape_group([make("calibrated_reward")], group, missing=3)
    assert complete.rewards.tolist() == [1, 0]


def test_what_is_not_finite_is_taken_away():
    class Broken(Shaper):
        kind: Literal["broken"] = "broken"

        def shape(self, group):
            return Shaped(group.rewards / 0)

    account = shape_group([Broken()], GroupView(np.array([1.0, 0.0, math.nan])))
    assert np.isnan(account.rewards).all()
    assert account.reasons == dict.fromkeys((0, 1), "broken: gave no finite number")


def test_steps_of_shaping_follow_one_another():
    group = GroupView(np.array([2.0]), characters=np.array([15.0]))
    shapers = [make("log_sigmoid"), SHAPERS["length_penalty"](free=10, hard=20)]
    account = shape_group(shapers, group)
    first, second = account.terms[0]
    assert second.before == first.after
    assert account.rewards[0] == pytest.approx(-math.log1p(math.exp(-2)) - 0.5)


@pytest.mark.parametrize("kind", sorted(SHAPERS))
@given(group=views())
def test_rewards_stay_within_the_range_that_is_announced(kind, group):
    shaper = make(kind)
    minimum, maximum = shaper.range_after(0.0, 1.0)
    rewards = shape_group([shaper], group).rewards
    rewards = rewards[np.isfinite(rewards)]
    assert minimum is None or np.all(rewards >= minimum - 1e-9)
    assert maximum is None or np.all(rewards <= maximum + 1e-9)
