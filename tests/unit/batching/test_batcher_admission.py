"""Refused at once: what finds no room, and what could not be done before its deadline."""

from __future__ import annotations

import asyncio

import pytest
from scoring_fakes import TimedScorer, gated, group, now, turns, weigh
from virtual_time import virtual_time

from rewardsvc.batching import Batcher
from rewardsvc.batching.latency import SEED_BATCHES, WARM_UP_BATCHES
from rewardsvc.errors import (
    DeadlineExceeded,
    DeadlineUnreachable,
    InvalidRequest,
    QueueFull,
)
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Status

SMALL = BatchLimits(
    max_batch_tokens=100, max_batch_samples=10, max_queue_tokens=500, max_queue_samples=30
)


def singles(count: int, tokens: int = 10) -> list[Group]:
    return [group(f"g{index}", tokens=tokens) for index in range(count)]


async def taught(scorer: TimedScorer, limits: BatchLimits = BatchLimits()) -> Batcher:  # noqa: B008
    """A batcher that has learned how fast `scorer` is."""
    batcher = Batcher("timed", scorer.score, weigh, limits)
    for count in range(1, 40):
        await batcher.submit(singles(count % 10 + 1)).wait()
    assert batcher._model.ready
    return batcher


@virtual_time
async def test_a_full_queue_refuses_at_once_and_takes_all_or_nothing() -> None:
    batcher, scorer = gated(SMALL)
    running = batcher.submit(singles(10))
    call = await scorer.next_call()
    batcher.submit(singles(25))
    with pytest.raises(QueueFull, match=r"25 of 30 responses are waiting, and 6 responses") as full:
        batcher.submit(singles(6))
    assert full.value.retry_after_seconds == 1.0  # the speed is not known yet
    assert batcher.queue_depth == 25
    batcher.submit(singles(5))
    with pytest.raises(QueueFull):
        batcher.submit(singles(1), tenant="other")
    room = asyncio.create_task(batcher.room())
    await turns()
    assert not room.done()
    call.finish()
    await running.wait()
    await room
    batcher.submit(singles(1))
    await batcher.close()


@virtual_time
async def test_tokens_fill_the_queue_too() -> None:
    batcher, _ = gated(SMALL)
    batcher.submit(singles(4, tokens=100))
    with pytest.raises(QueueFull, match=r"400 of 500 tokens are waiting, and 2 responses with"):
        batcher.submit(singles(2, tokens=60))
    assert (batcher.queue_depth, batcher.queued_tokens) == (4, 400)
    await batcher.close()


@virtual_time
async def test_what_is_larger_than_the_queue_is_told_so() -> None:
    batcher, _ = gated(SMALL)
    with pytest.raises(InvalidRequest, match=r"31 responses are more than the queue .*ScoreStream"):
        batcher.submit(singles(31))
    with pytest.raises(InvalidRequest, match=r"6 responses with about 600 tokens.*500 tokens"):
        batcher.submit(singles(6, tokens=100))
    assert batcher.queue_depth == 0
    assert not batcher.submit(singles(30)).done
    await batcher.close()


@virtual_time
async def test_retry_after_is_how_long_the_excess_takes() -> None:
    scorer = TimedScorer(fixed=0.0, per_token=0.01)
    batcher = await taught(scorer, SMALL)
    batcher.submit(singles(30))
    with pytest.raises(QueueFull) as full:
        batcher.submit(singles(20))
    assert full.value.retry_after_seconds == pytest.approx(2.0, rel=0.05)
    await batcher.close()


@virtual_time
async def test_a_deadline_that_has_passed_is_refused() -> None:
    batcher, _ = gated()
    for past in (now(), now() - 1.0, float("nan")):
        with pytest.raises(DeadlineExceeded):
            batcher.submit(singles(1), deadline=past)
    batcher.submit(singles(1), deadline=float("inf"))
    await batcher.close()


@virtual_time
async def test_a_deadline_behind_the_backlog_is_refused_with_both_figures() -> None:
    batcher = await taught(TimedScorer(fixed=0.0, per_token=0.001))
    batcher.submit(singles(300), deadline=now() + 4.0)  # 3 s of work
    await turns()
    with pytest.raises(DeadlineUnreachable) as refused:
        batcher.submit(singles(100), deadline=now() + 1.0)
    assert "would be done in about 4.0" in str(refused.value) or "3.9" in str(refused.value)
    assert "the deadline is in 1.000 s" in str(refused.value)
    assert refused.value.retry_after_seconds == pytest.approx(3.0, rel=0.05)
    assert batcher.queue_depth == 0
    await batcher.drain()


@virtual_time
async def test_who_comes_back_when_told_is_admitted_and_done_in_time() -> None:
    batcher = await taught(
        TimedScorer(fixed=0.0, per_token=0.001), BatchLimits(max_batch_tokens=500)
    )
    batcher.submit(singles(400))
    await turns()
    with pytest.raises(DeadlineUnreachable) as refused:
        batcher.submit(singles(100), deadline=now() + 2.0)
    await asyncio.sleep(refused.value.retry_after_seconds + 0.01)
    deadline = now() + 2.1
    ticket = batcher.submit(singles(100), deadline=deadline)
    await ticket.wait(deadline)
    assert all(r.scores[0].status is Status.OK for r in ticket.results())


@virtual_time
async def test_an_urgent_sample_is_not_refused_for_work_that_lets_it_pass() -> None:
    limits = BatchLimits(max_batch_tokens=200)
    batcher = await taught(TimedScorer(fixed=0.0, per_token=0.001), limits)
    batcher.submit(singles(5000), tenant="trainer")  # 50 s of work, 0.2 s a batch
    await asyncio.sleep(0.05)
    for tenant in ("trainer", "evaluation"):
        deadline = now() + 0.5
        ticket = batcher.submit(singles(1), tenant=tenant, deadline=deadline)
        await ticket.wait(deadline)
        assert ticket.results()[0].scores[0].status is Status.OK
    await batcher.close()


@virtual_time
async def test_nothing_is_refused_on_a_guess() -> None:
    scorer = TimedScorer(fixed=100.0)
    batcher = Batcher("timed", scorer.score, weigh, BatchLimits(max_batch_samples=1))
    for _ in range(WARM_UP_BATCHES + SEED_BATCHES):
        batcher.submit(singles(1), deadline=now() + 0.01)
    await batcher.close()


@virtual_time
async def test_an_idle_scorer_takes_any_work_and_learns_from_it() -> None:
    scorer = TimedScorer(fixed=0.01, per_token=0.0)
    scorer.extra_seconds = 100.0
    batcher = await taught(scorer)
    scorer.extra_seconds = 0.0
    refusals = 0
    for _ in range(30):
        deadline = now() + 1.0
        ticket = batcher.submit(singles(1), deadline=deadline)  # it is idle
        await turns()
        try:
            batcher.submit(singles(1), deadline=deadline)
        except DeadlineUnreachable:
            refusals += 1
        await ticket.wait(deadline)
        await batcher.drain()
    assert 0 < refusals <= SEED_BATCHES


@virtual_time
async def test_nothing_admitted_under_overload_is_late() -> None:
    """Many callers with the same deadline: those admitted are done in time, the others are
    refused, and the scorer never idles."""
    scorer = TimedScorer(fixed=0.005, per_token=0.001)
    batcher = await taught(scorer, BatchLimits(max_batch_tokens=500))
    outcomes = {"ok": 0, "late": 0, "refused": 0}
    started, before = now(), len(scorer.batches)

    async def caller(index: int) -> None:
        for _ in range(20):
            deadline = now() + 2.0
            try:
                with batcher.submit(
                    singles(5), tenant=f"t{index % 3}", deadline=deadline
                ) as ticket:
                    await ticket.wait(deadline)
                    done = all(r.scores[0].status is Status.OK for r in ticket.results())
                    outcomes["ok" if done else "late"] += 1
            except DeadlineUnreachable as refused:
                outcomes["refused"] += 1
                await asyncio.sleep(refused.retry_after_seconds)

    await asyncio.gather(*(caller(index) for index in range(100)))
    busy = sum(
        0.005 + 0.001 * 10 * sum(len(g.responses) for g in batch)
        for batch in scorer.batches[before:]
    )
    assert outcomes["late"] <= 0.01 * outcomes["ok"]
    assert outcomes["refused"] > 100
    assert busy > 0.95 * (now() - started)
