"""The stand-ins take what the real clients take, and answer as scripted."""

from __future__ import annotations

import inspect

import pytest

from rewardsvc import (
    AsyncClient,
    Client,
    Group,
    InvalidRequest,
    QueueFull,
    Response,
    Result,
    RewardDescription,
    Sample,
    Status,
    UnknownReward,
)
from rewardsvc.client.testing import ScriptedAsyncClient, ScriptedClient


@pytest.mark.parametrize(
    ("real", "scripted"), [(AsyncClient, ScriptedAsyncClient), (Client, ScriptedClient)]
)
def test_signatures_are_the_same(real, scripted):
    for name, method in inspect.getmembers(real, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(method) == inspect.signature(getattr(scripted, name)), name


def by_length(reward, sample):
    return float(len(sample.response))


def test_numbers_and_results_are_answered():
    client = ScriptedClient(by_length)
    results = client.score(
        "length", [Sample("p", "ab", sample_id="s"), {"prompt": "p", "response": ""}]
    )
    assert [(r.sample_id, r.reward) for r in results] == [("s", 2.0), ("1", 0.0)]
    refused = ScriptedClient(Result("", Status.TIMEOUT, "too slow")).score("r", [Sample("p", "x")])
    first = refused[0]
    assert (first.sample_id, first.status, first.reward) == ("0", Status.TIMEOUT, None)
    assert client.calls[0].samples[0].response == "ab"


def test_groups_and_streams_are_answered():
    client = ScriptedClient(by_length)
    groups = client.score_groups("length", [Group("g", "p", (Response("", "a"), Response("", "")))])
    assert [[r.reward for r in g] for g in groups] == [[1.0, 0.0]]
    assert [r.reward for _, r in client.stream("length", [Sample("p", "abc")])] == [3.0]
    assert [call.method for call in client.calls] == ["score", "score_groups", "stream"][1:]


def test_wrong_samples_are_refused_as_by_the_real_client():
    with pytest.raises(InvalidRequest, match=r"samples\[0\]\.response: is missing"):
        ScriptedClient(1.0).score("r", [{"prompt": "p"}])


def test_errors_can_be_scripted():
    def full(reward, sample):
        raise QueueFull("full", 1.0)

    with pytest.raises(QueueFull):
        ScriptedClient(full).score("r", [Sample("p", "x")])


async def test_the_asynchronous_one_does_the_same():
    described = RewardDescription("length", "", "1", ())
    async with ScriptedAsyncClient(by_length, [described]) as client:
        assert (await client.score("length", [Sample("p", "ab")]))[0].reward == 2.0

        async def source():
            yield Sample("p", "abc")

        assert [r.reward async for _, r in client.stream("length", source())] == [3.0]
        assert [r.reward async for _, r in client.stream("length", [Sample("p", "")])] == [0.0]
        assert await client.list_rewards() == [await client.get_reward("length")] == [described]
        with pytest.raises(UnknownReward, match="there are: length"):
            await client.get_reward("other")
