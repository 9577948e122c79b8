"""What is tried again, when, and what is not."""

from __future__ import annotations

import asyncio
import re

import pytest

from rewardsvc import (
    AsyncClient,
    DeadlineExceeded,
    InternalError,
    InvalidRequest,
    Overloaded,
    QueueFull,
    Retry,
    Sample,
    Unavailable,
)

SAMPLES = [Sample("p", "four")]
MANY = [Sample(f"p{n}", "x" * (n % 7)) for n in range(150)]


def failing(errors):
    """A behaviour that raises these errors in turn, then answers."""
    left = list(errors)

    async def behaviour(seen):
        if left:
            raise left.pop(0)

    return behaviour


async def test_a_full_queue_is_retried_no_earlier_than_it_says(server):
    server.behaviour = failing([QueueFull("full", 0.3), QueueFull("full", 0.2)])
    async with AsyncClient(server.target) as client:
        results = await client.score("length", SAMPLES)
    assert results[0].reward == 4.0
    first, second, third = (seen.at for seen in server.seen)
    assert second - first >= 0.3
    assert third - second >= 0.2


async def test_messages_of_a_stream_are_retried_no_earlier_than_they_say(server):
    server.behaviour = failing([QueueFull("full", 0.3)])
    async with AsyncClient(server.target) as client:
        results = await client.score("length", MANY)
    assert [r.reward for r in results] == [float(n % 7) for n in range(150)]
    assert len(server.seen) == 4
    assert server.seen[-1].at - server.seen[0].at >= 0.3
    assert server.streams == 1


@pytest.mark.parametrize("samples", [SAMPLES, MANY], ids=["unary", "stream"])
async def test_a_wait_past_the_deadline_is_not_begun(server, samples):
    server.behaviour = failing([QueueFull("no room", 500.0)] * 10)
    async with AsyncClient(server.target) as client:
        with pytest.raises(
            QueueFull, match=r"no room \(gave up: .* in 500 s .* deadline of 100 s\)"
        ) as raised:
            await client.score("length", samples, timeout=100)
    assert raised.value.retry_after_seconds == 500.0


async def test_an_overloaded_server_is_retried_beyond_the_count_of_attempts(server):
    server.behaviour = failing([Overloaded("busy", 0.01)] * 5)
    async with AsyncClient(server.target, retry=Retry(attempts=2, max_delay=0.1)) as client:
        assert (await client.score("length", SAMPLES))[0].reward == 4.0
    assert len(server.seen) == 6


@pytest.mark.parametrize(
    "error",
    [InvalidRequest.field("groups[0].domain", "is unknown"), InternalError("a defect")],
    ids=["invalid", "internal"],
)
@pytest.mark.parametrize("samples", [SAMPLES, MANY], ids=["unary", "stream"])
async def test_wrong_requests_and_defects_are_not_retried(server, error, samples):
    server.behaviour = failing([error] * 10)
    async with AsyncClient(server.target) as client:
        with pytest.raises(type(error), match=re.escape(error.message)):
            await client.score("length", samples)
    sent = [[group.prompt for group in seen.groups] for seen in server.seen]
    assert all(sent.count(prompts) == 1 for prompts in sent)


async def test_attempts_end_and_the_error_says_so(server):
    server.behaviour = failing([Unavailable("draining")] * 10)
    retry = Retry(attempts=3, base_delay=0.01, max_delay=0.02)
    async with AsyncClient(server.target, retry=retry) as client:
        with pytest.raises(Unavailable, match=r"draining \(gave up after 3 attempts\)"):
            await client.score("length", SAMPLES)
    assert len(server.seen) == 3


async def test_nobody_there_is_an_error_that_names_the_address(server):
    await server.stop()
    async with AsyncClient(server.target, retry=Retry(attempts=2, base_delay=0.01)) as client:
        with pytest.raises(Unavailable, match=rf"{server.port}.*gave up after 2 attempts"):
            await client.score("length", SAMPLES)


async def test_a_try_that_takes_too_long_is_made_again(server):
    hang = asyncio.Event()

    async def behaviour(seen):
        if len(server.seen) == 1:
            await hang.wait()

    server.behaviour = behaviour
    async with AsyncClient(server.target, retry=Retry(attempt_timeout=0.2)) as client:
        assert (await client.score("length", SAMPLES))[0].reward == 4.0
        server.seen.clear()
        assert len(await client.score("length", MANY)) == 150
    assert server.streams == 2


@pytest.mark.parametrize("samples", [SAMPLES, MANY], ids=["unary", "stream"])
async def test_a_server_that_never_answers_ends_at_the_deadline(server, samples):
    hang = asyncio.Event()

    async def behaviour(seen):
        await hang.wait()

    server.behaviour = behaviour
    async with AsyncClient(server.target) as client:
        with pytest.raises(DeadlineExceeded, match=r"samples were not scored within 0\.3 s"):
            await client.score("length", samples, timeout=0.3)


async def test_a_server_that_comes_back_is_found_again(server):
    async with AsyncClient(server.target, retry=Retry(base_delay=0.05, max_delay=0.5)) as client:
        await client.score("length", SAMPLES)
        await server.stop()
        pending = asyncio.create_task(client.score("length", SAMPLES))
        revived = await type(server)().start(server.port)
        assert (await pending)[0].reward == 4.0
        await revived.stop()


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("attempts", 0, "at least 1"),
        ("base_delay", 0.0, "greater than 0"),
        ("max_delay", 0.01, "at least base_delay"),
        ("multiplier", 0.5, "at least 1"),
        ("attempt_timeout", 0.0, "greater than 0, or None"),
    ],
)
def test_impossible_settings_are_refused(field, value, allowed):
    with pytest.raises(ValueError, match=rf"Retry\.{field} is {value}; must be {allowed}"):
        Retry(**{field: value})
