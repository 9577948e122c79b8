"""`stream`: any number of samples, whatever happens to the streams."""

from __future__ import annotations

import asyncio

import pytest
from scripted_server import BreakStream

from rewardsvc import (
    AsyncClient,
    DeadlineExceeded,
    InvalidRequest,
    QueueFull,
    Retry,
    Sample,
    Status,
    UnknownReward,
)
from rewardsvc.client.exchange import WINDOW
from rewardsvc.client.parcels import SAMPLES_PER_MESSAGE


@pytest.fixture
async def client(server):
    async with AsyncClient(server.target) as connected:
        yield connected


def samples(count, group=4):
    return (Sample(f"p{n // group}", "x" * (n % 11), sample_id=f"s{n}") for n in range(count))


async def collect(stream):
    return {sample.sample_id: result.reward async for sample, result in stream}


def expected(count):
    return {f"s{n}": float(n % 11) for n in range(count)}


async def test_every_sample_comes_back_with_its_result(client, server):
    assert await collect(client.stream("length", samples(1000))) == expected(1000)
    assert max(seen.samples for seen in server.seen) <= SAMPLES_PER_MESSAGE + 3
    assert server.streams == 1


async def test_no_samples_give_no_results(client, server):
    assert await collect(client.stream("length", [])) == {}
    assert server.streams == 0


async def test_the_source_is_read_only_as_results_are_taken(client):
    read = 0

    def source():
        nonlocal read
        for sample in samples(100_000):
            read += 1
            yield sample

    stream = client.stream("length", source())
    taken = 0
    async for _ in stream:
        taken += 1
        assert read <= taken + (WINDOW + 2) * SAMPLES_PER_MESSAGE
        if taken == 5000:
            break
    await stream.aclose()


async def test_a_slow_source_gets_results_as_it_goes(client):
    """Each sample is made only after the result of the one before: no full message needed."""
    arrived = asyncio.Semaphore(1)

    async def source():
        for sample in samples(20):
            await arrived.acquire()
            yield sample

    count = 0
    async for _ in client.stream("length", source()):
        count += 1
        arrived.release()
    assert count == 20


async def test_neighbours_of_one_prompt_stay_together(client, server):
    await collect(client.stream("length", samples(100, group=10)))
    sizes = [len(group.responses) for seen in server.seen for group in seen.groups]
    assert sizes == [10] * 10


async def test_ids_need_not_be_unique(client):
    many = [Sample("p", "x" * n, sample_id="same") for n in range(10)]
    results = [(s, r) async for s, r in client.stream("length", many)]
    assert sorted(r.reward for _, r in results) == [float(n) for n in range(10)]
    assert {r.sample_id for _, r in results} == {"same"}


async def test_a_broken_stream_is_resumed_without_losing_or_repeating(client, server):
    breaks = 0

    async def behaviour(seen):
        nonlocal breaks
        if len(server.seen) in (3, 9, 20):
            breaks += 1
            raise BreakStream

    server.behaviour = behaviour
    outcomes = [(s.sample_id, r.reward) async for s, r in client.stream("length", samples(2000))]
    assert len(outcomes) == 2000
    assert dict(outcomes) == expected(2000)
    assert breaks == 3 and server.streams == 4


async def test_refused_messages_are_sent_again(client, server):
    async def behaviour(seen):
        if len(server.seen) % 3 == 0:
            raise QueueFull("full", 0.01)

    server.behaviour = behaviour
    assert await collect(client.stream("length", samples(2000))) == expected(2000)


async def test_a_failed_message_ends_the_stream(client):
    with pytest.raises(UnknownReward, match="there are: length"):
        await collect(client.stream("lenght", samples(500)))


async def test_an_unanswered_message_ends_the_stream_at_its_deadline(client, server):
    hang = asyncio.Event()

    async def behaviour(seen):
        if len(server.seen) == 2:
            await hang.wait()

    server.behaviour = behaviour
    with pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
        await collect(client.stream("length", samples(500), timeout=0.5))


async def refuse_bad(seen):
    for group_number, group in enumerate(seen.groups):
        for place, response in enumerate(group.responses):
            if response.text == "bad":
                raise InvalidRequest.field(
                    f"groups[{group_number}].responses[{place}].text", "is bad"
                )


async def test_a_refused_sample_ends_the_stream_and_is_named(client, server):
    server.behaviour = refuse_bad
    mixed = [*samples(70), Sample("p", "bad", sample_id="culprit")]
    with pytest.raises(InvalidRequest, match=r"is bad \(sample 'culprit'\)"):
        await collect(client.stream("length", mixed))


async def test_a_refused_sample_can_be_a_result_instead(client, server):
    server.behaviour = refuse_bad
    mixed = [*samples(70), Sample("p", "bad", sample_id="culprit"), Sample("p", "xx")]
    results = {s.sample_id: r async for s, r in client.stream("length", mixed, refused="result")}
    assert len(results) == 72
    culprit = results.pop("culprit")
    assert culprit.status is Status.ERROR and culprit.reward is None
    assert "is bad" in culprit.reason
    assert all(result.status is Status.OK for result in results.values())


async def test_an_exception_of_the_source_reaches_the_caller(client):
    def source():
        yield from samples(100)
        raise OSError("disk gone")

    async def asynchronous():
        for sample in source():
            yield sample

    for each in (source(), asynchronous()):
        with pytest.raises(OSError, match="disk gone"):
            await collect(client.stream("length", each))


async def test_a_wrong_sample_is_named_by_its_place(client):
    with pytest.raises(InvalidRequest, match=r"samples\[70\]\.response: is missing"):
        await collect(client.stream("length", [*samples(70), {"prompt": "p"}]))


async def test_a_long_stream_moves_to_a_new_rpc_before_its_deadline(server):
    """Without retries, so that an RPC which met its deadline would end the stream."""
    gate = asyncio.Semaphore(0)

    async def source():
        for sample in samples(4):
            yield sample
            await gate.acquire()

    async with AsyncClient(server.target, timeout=0.5, retry=Retry(attempts=1)) as client:
        count = 0
        async for _ in client.stream("length", source()):
            count += 1
            await asyncio.sleep(0.6)  # the condition waited for is the stream's age itself
            gate.release()
    assert count == 4
    assert server.streams == 4


async def test_leaving_early_ends_everything(client, server):
    stream = client.stream("length", samples(100_000))
    async for _ in stream:
        break
    await stream.aclose()
    assert await client.score("length", [Sample("p", "x")])
    assert [t for t in asyncio.all_tasks() if "Exchange" in repr(t)] == []
