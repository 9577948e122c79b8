"""Groups whose responses come one by one."""

from __future__ import annotations

import asyncio

import pytest

from rewardsvc.client.gather import GroupGatherer
from rewardsvc.errors import Unavailable
from rewardsvc.types import Response, Result, Status


class Recording:
    """Rewards a response with its group's size; remembers the groups."""

    def __init__(self, failure=None):
        self.groups, self.failure = [], failure

    async def score_groups(self, reward, groups, **options):
        self.groups += groups
        if self.failure is not None:
            raise self.failure
        return [
            [Result(r.sample_id, Status.OK, reward=float(len(g.responses))) for r in g.responses]
            for g in groups
        ]


async def test_a_group_is_sent_when_it_is_complete():
    client = Recording()
    gatherer = GroupGatherer(client, "r", size=3, wait_seconds=60)
    calls = [
        asyncio.create_task(gatherer.score(f"g{k % 2}", f"p{k % 2}", Response(str(k), "x")))
        for k in range(6)
    ]
    results = await asyncio.gather(*calls)
    assert [r.sample_id for r in results] == [str(k) for k in range(6)]
    assert {r.reward for r in results} == {3.0}
    assert [(g.group_id, g.size, g.prompt) for g in client.groups] == [
        ("g0", 3, "p0"),
        ("g1", 3, "p1"),
    ]
    assert gatherer.incomplete == 0


async def test_a_group_that_stays_incomplete_times_out_and_says_so():
    client = Recording()
    gatherer = GroupGatherer(client, "r", size=3, wait_seconds=0.05)
    results = await asyncio.gather(
        *(gatherer.score("g", "p", Response(str(k), "x")) for k in range(2))
    )
    assert {r.status for r in results} == {Status.TIMEOUT}
    assert results[0].reason == "2 of 3 responses of the group came within 0.05 s"
    assert client.groups == []
    assert gatherer.incomplete == 0


async def test_every_response_learns_of_a_failure():
    gatherer = GroupGatherer(Recording(Unavailable("down")), "r", size=2, wait_seconds=60)
    calls = [gatherer.score("g", "p", Response(str(k), "x")) for k in range(2)]
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Unavailable, Unavailable]


async def test_what_contradicts_its_group_is_refused():
    gatherer = GroupGatherer(Recording(), "r", size=2, wait_seconds=60)
    first = asyncio.create_task(gatherer.score("g", "p", Response("0", "x")))
    await asyncio.sleep(0)
    with pytest.raises(ValueError, match="prompt differs"):
        await gatherer.score("g", "other", Response("1", "x"))
    with pytest.raises(ValueError, match="has a response '0' already"):
        await gatherer.score("g", "p", Response("0", "x"))
    await gatherer.score("g", "p", Response("1", "x"))
    assert (await first).status is Status.OK


@pytest.mark.parametrize("wrong", [{"size": 0}, {"wait_seconds": 0.0}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GroupGatherer(Recording(), "r", **({"size": 2, "wait_seconds": 1.0} | wrong))
