"""Shaping, noise correction and stored calibrators, seen by a client of a real server."""

from __future__ import annotations

import pytest
from fixtures.observing import metric

from rewardsvc import AsyncClient, Label, LabelSource
from rewardsvc.errors import ConfigError
from rewardsvc.types import Group, Reference, Response, Status

CONFIG = """
server: {store: "sqlite:///labels.db"}
scorers:
  math: {kind: math, symbolic: false}
  half: {kind: constant, value: 0.5}
rewards:
  honest:
    components: [{scorer: math}]
    stated_confidence: tag
    shaping: [{kind: proper_score}]
  advantage:
    components: [{scorer: math}]
    shaping: [{kind: virtual_maximum}]
  unbiased:
    components:
    - {scorer: math, noise: {mode: backward, false_positive_rate: 0.1, false_negative_rate: 0.2}}
  learnt:
    components: [{scorer: math, calibration: {method: platt}}]
  moving:
    components: [{scorer: half}]
    stated_confidence: ten_point
    shaping: [{kind: calibrated_reward, moving_mean: {rate: 0.5}}]
"""
RIGHT, WRONG = "So \\boxed{4}.", "So \\boxed{5}."


def group(*texts, size=0, group_id="g"):
    responses = tuple(Response(f"{group_id}/{k}", text) for k, text in enumerate(texts))
    return Group(group_id, "2 + 2?", responses, Reference(("4",)), size=size)


@pytest.fixture
async def server(start_server):
    return await start_server(CONFIG)


@pytest.fixture
async def client(server):
    async with AsyncClient(server.address) as client:
        yield client


async def test_a_stated_confidence_is_scored_and_hidden_from_the_verifier(client):
    stated = "<confidence>0.8</confidence>"
    [[right, wrong, silent]] = await client.score_groups(
        "honest", [group(RIGHT + stated, stated + WRONG, RIGHT)]
    )
    assert [right.reward, wrong.reward, silent.reward] == pytest.approx([0.96, -0.64, 0.0])
    assert right.shaping[0].values["stated_confidence"] == 0.8
    description = await client.get_reward("honest")
    assert description.shaping == ("proper_score",)
    assert (description.minimum, description.maximum) == (-1.0, 1.0)


async def test_group_wise_rewards_need_whole_groups(client):
    [[right, wrong]] = await client.score_groups("advantage", [group(RIGHT, WRONG)])
    assert right.reward > 0 > wrong.reward
    assert right.do_not_group_normalise
    [[first, _]] = await client.score_groups("advantage", [group(RIGHT, WRONG, size=3)])
    assert first.status is Status.ABSTAINED
    assert "1 responses are missing" in first.reason
    assert (await client.get_reward("advantage")).needs_whole_groups


async def test_corrected_rewards_carry_the_rates_they_were_made_with(client):
    [[right, wrong]] = await client.score_groups("unbiased", [group(RIGHT, WRONG)])
    assert [right.reward, wrong.reward] == pytest.approx([1.285714, -0.142857], abs=1e-6)
    assert right.noise.false_negative_rate == 0.2
    assert right.versions["noise/math"] == right.noise.version
    description = await client.get_reward("unbiased")
    assert description.noise.false_positive_rate == 0.1
    assert description.do_not_group_normalise


async def test_a_calibrator_is_used_as_soon_as_it_is_fitted(client):
    [[before, _]] = await client.score_groups("learnt", [group(RIGHT, WRONG)])
    assert before.status is Status.ABSTAINED
    assert "fit one" in before.reason
    assert before.score == 1.0
    assert (await client.get_reward("learnt")).warnings
    labels = [
        Label(
            f"s{k}",
            float(k % 10 != 0) if k % 2 else float(k % 10 == 0),
            cluster_id=f"c{k}",
            score=float(k % 2),
            source=LabelSource.PERSON,
        )
        for k in range(200)
    ]
    await client.record_labels("learnt", labels)
    fitted = await client.fit_calibrator("learnt")
    [[right, wrong]] = await client.score_groups("learnt", [group(RIGHT, WRONG)])
    assert right.reward > 0.9
    assert wrong.reward < 0.3
    assert right.confidence.lower < right.confidence.probability <= right.confidence.upper
    assert right.versions["calibrator/math"] == fitted.version
    description = await client.get_reward("learnt")
    assert (description.calibrated, description.scorers[0].calibration) == (True, "platt")


async def test_the_moving_mean_moves_between_batches(client):
    means = []
    for batch in ("one", "one", "two"):
        [[result]] = await client.score_groups(
            "moving", [group("yes. Confidence: 9")], batch_id=batch
        )
        means.append(result.shaping[0].values["moving_mean"])
    assert means == [0.0, 0.0, 0.25]


async def test_monitors_stand_in_the_description_and_the_metrics(server, client):
    for number in range(75):
        await client.score_groups("advantage", [group(*[RIGHT, WRONG] * 8, group_id=str(number))])
    monitors = {m.name: m for m in (await client.get_reward("advantage")).monitors}
    assert monitors["reward_drift"].value == pytest.approx(0.0, abs=0.05)
    assert not monitors["length_drift"].alarm
    labels = {"reward": "advantage", "scorer": "", "monitor": "length_drift"}
    assert metric(server, "rewardsvc_monitor", **labels) == 0.0
    assert metric(server, "rewardsvc_store_stale_seconds") >= 0


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("proper_score", "proper"), "shaping[0]: is"),
        (
            ("kind: proper_score", "kind: proper_score, rul: brier"),
            "rul: unknown key; allowed: kind, missing_reward, rule",
        ),
        (("    stated_confidence: tag\n", ""), "proper_score belongs to the reward's own shaping"),
        (('server: {store: "sqlite:///labels.db"}', ""), "calibration: without labels it needs"),
        (("false_negative_rate: 0.2", "prior: 0.5"), "or neither"),
        (("sqlite:///labels.db", "mysql://x"), "store: is of kind 'mysql'"),
        (("sqlite:///labels.db", "env:NOT_SET"), "variable 'NOT_SET' is not set"),
    ],
)
async def test_what_is_wrong_is_named(start_server, change, expected):
    assert change[0] in CONFIG
    with pytest.raises(ConfigError) as caught:
        await start_server(CONFIG.replace(*change, 1))
    assert expected in str(caught.value)
