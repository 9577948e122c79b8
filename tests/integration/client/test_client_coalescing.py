"""Concurrent small calls share messages, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from rewardsvc import AsyncClient, DeadlineExceeded, InvalidRequest, Sample
from rewardsvc.client.coalesce import MESSAGES_UNDER_WAY


@pytest.fixture
async def client(server):
    async with AsyncClient(server.target) as connected:
        yield connected


class Gate:
    """A behaviour that holds every message until it is opened."""

    def __init__(self, server):
        self.open = asyncio.Event()
        self.waiting = 0
        self.changed = asyncio.Condition()
        server.behaviour = self

    async def __call__(self, seen):
        async with self.changed:
            self.waiting += 1
            self.changed.notify_all()
        await self.open.wait()

    async def until_waiting(self, count):
        async with self.changed:
            await self.changed.wait_for(lambda: self.waiting >= count)


def calls(client, count, **options):
    return [
        asyncio.create_task(client.score("length", [Sample("p", "x" * n)], **options))
        for n in range(count)
    ]


async def test_calls_that_come_while_others_are_under_way_share_a_message(client, server):
    gate = Gate(server)
    tasks = calls(client, 40)
    await gate.until_waiting(MESSAGES_UNDER_WAY + 1)
    gate.open.set()
    results = await asyncio.gather(*tasks)
    assert [r[0].reward for r in results] == [float(n) for n in range(40)]
    assert {r[0].sample_id for r in results} == {"0"}
    sizes = sorted(seen.samples for seen in server.seen)
    assert sum(sizes) == 40
    assert sizes[-1] == 40 - MESSAGES_UNDER_WAY
    # Callers' groups stay apart although their prompts are the same.
    assert all(len(group.responses) == 1 for seen in server.seen for group in seen.groups)


async def test_a_single_call_goes_at_once(client, server):
    for _ in range(3):
        await client.score("length", [Sample("p", "x")])
    assert [seen.samples for seen in server.seen] == [1, 1, 1]


async def test_slow_messages_do_not_hold_up_later_calls(client, server):
    gate = Gate(server)
    tasks = calls(client, MESSAGES_UNDER_WAY)
    await gate.until_waiting(MESSAGES_UNDER_WAY)
    server.behaviour = answer_now
    late = await client.score("length", [Sample("p", "late")])
    assert late[0].reward == 4.0
    assert not any(task.done() for task in tasks)
    gate.open.set()
    await asyncio.gather(*tasks)


async def answer_now(seen):
    """Nothing to wait for."""


async def test_a_bad_sample_costs_only_its_owner(client, server):
    gate = Gate(server)

    async def refuse(seen):
        if seen.samples > 1 or not gate.open.is_set():
            await gate(seen)
        for group in seen.groups:
            for response in group.responses:
                if response.text == "bad":
                    raise InvalidRequest.field("groups[0].responses[0]", "is bad")

    server.behaviour = refuse
    first = calls(client, MESSAGES_UNDER_WAY)
    await gate.until_waiting(MESSAGES_UNDER_WAY)
    good = [
        asyncio.create_task(client.score("length", [Sample("p", "x" * n)])) for n in range(1, 6)
    ]
    bad = asyncio.create_task(client.score("length", [Sample("p", "bad", sample_id="culprit")]))
    await gate.until_waiting(MESSAGES_UNDER_WAY + 1)
    gate.open.set()
    assert [r[0].reward for r in await asyncio.gather(*good)] == [1.0, 2.0, 3.0, 4.0, 5.0]
    with pytest.raises(InvalidRequest, match=r"is bad \(sample 'culprit'\)"):
        await bad
    await asyncio.gather(*first)


async def test_a_cancelled_caller_leaves_the_others_alone(client, server):
    gate = Gate(server)
    tasks = calls(client, MESSAGES_UNDER_WAY + 5)
    await gate.until_waiting(MESSAGES_UNDER_WAY + 1)
    tasks[-1].cancel()
    gate.open.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[-1], asyncio.CancelledError)
    assert [o[0].reward for o in outcomes[:-1]] == [float(n) for n in range(len(tasks) - 1)]


async def test_a_message_without_callers_is_cancelled_at_the_server(client, server):
    gate = Gate(server)
    task = calls(client, 1)[0]
    await gate.until_waiting(1)
    task.cancel()
    await asyncio.wait_for(server.cancelled.wait(), 10)


async def test_each_caller_keeps_its_deadline(client, server):
    gate = Gate(server)
    tasks = calls(client, MESSAGES_UNDER_WAY)
    await gate.until_waiting(MESSAGES_UNDER_WAY)
    with pytest.raises(DeadlineExceeded, match=r"1 samples were not scored within 0\.2 s"):
        await client.score("length", [Sample("p", "x")], timeout=0.2)
    gate.open.set()
    await asyncio.gather(*tasks)


async def test_rewards_options_and_tenants_do_not_mix(client, server):
    gate = Gate(server)
    tasks = calls(client, MESSAGES_UNDER_WAY + 3, tenant="a")
    tasks += calls(client, MESSAGES_UNDER_WAY + 3, tenant="b")
    await gate.until_waiting(2 * MESSAGES_UNDER_WAY + 2)
    gate.open.set()
    await asyncio.gather(*tasks)
    for tenant in "ab":
        assert sum(s.samples for s in server.seen if s.tenant == tenant) == MESSAGES_UNDER_WAY + 3


async def test_the_callers_deadline_reaches_the_server(client, server):
    await client.score("length", [Sample("p", "x")], timeout=50)
    await client.score("length", [Sample(f"p{n}", "x") for n in range(100)], timeout=50)
    assert all(40 < seen.time_remaining <= 50 for seen in server.seen)
