"""How work ends that was not scored: in time, by its caller, by its deadline, by the server."""

from __future__ import annotations

import asyncio

import pytest
from scoring_fakes import (
    LIMITS,
    TimedScorer,
    assert_scored,
    gated,
    group,
    now,
    right_scores,
    turns,
    weigh,
)
from virtual_time import virtual_time

from rewardsvc.batching import Batcher, Ticket
from rewardsvc.errors import Unavailable
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Score, Status


@virtual_time
async def test_waiting_ends_at_the_given_time_and_says_what_was_the_matter() -> None:
    batcher, scorer = gated(BatchLimits(max_batch_samples=2))
    ticket = batcher.submit([group("done"), group("cut", responses=3), group("queued")])
    await asyncio.sleep(0.5)
    (await scorer.next_call()).finish()
    await asyncio.sleep(1.0)
    await ticket.wait(now() + 0.5)
    assert not ticket.done
    done, cut, queued = ticket.results()
    assert done.scores == tuple(right_scores([group("done")])[0])
    reasons = [score.reason for score in cut.scores]
    assert [score.status for score in cut.scores] == [Status.OK, *[Status.TIMEOUT] * 2]
    assert (
        reasons[1] == "not done in time: it was being scored for 1.500 s after 0.500 s in the queue"
    )
    assert queued.scores[0].reason == (
        "not done in time: it waited 2.000 s in the queue and was not started"
    )
    assert queued.timing.queue_seconds == pytest.approx(2.0)
    await ticket.wait(now() - 1.0)  # a time that is past is no reason to hang


@virtual_time
async def test_cancelled_work_is_not_started_and_running_work_is_forgotten() -> None:
    batcher, scorer = gated(BatchLimits(max_batch_samples=1))
    ticket = batcher.submit([group("running"), group("queued")])
    other = batcher.submit([group("other")], tenant="other")
    running = await scorer.next_call()
    ticket.cancel()
    ticket.cancel()
    assert batcher.queue_depth == 1
    await ticket.wait()
    assert [r.scores[0].status for r in ticket.results()] == [Status.TIMEOUT] * 2
    assert ticket.results()[0].scores[0].reason.startswith("cancelled: it was being scored for")
    running.finish()
    call = await scorer.next_call()
    assert call.names == ["other"]
    call.finish()
    await batcher.drain()
    assert other.results()[0].scores[0].status is Status.OK
    assert ticket.results()[0].scores[0].status is Status.TIMEOUT


@virtual_time
async def test_a_cancellation_makes_room() -> None:
    batcher, scorer = gated()
    batcher.submit([group("running")])
    await scorer.next_call()
    ticket = batcher.submit([group("queued")])
    room = asyncio.create_task(batcher.room())
    await turns()
    ticket.cancel()
    await room
    await batcher.close()


@virtual_time
async def test_a_cancellation_before_the_first_batch_leaves_nothing_to_drain() -> None:
    batcher, _ = gated()
    tickets: list[Ticket] = []

    async def submit_and_drain() -> None:
        tickets.append(batcher.submit([group("a")]))
        await batcher.drain()

    async def cancel() -> None:
        tickets[0].cancel()

    await asyncio.gather(submit_and_drain(), cancel())


@virtual_time
async def test_leaving_the_ticket_gives_up_the_rest() -> None:
    batcher, scorer = gated()
    batcher.submit([group("first")])
    first = await scorer.next_call()

    async def caller() -> None:
        with batcher.submit([group("second")]) as ticket:
            await ticket.wait()

    task = asyncio.create_task(caller())
    await turns()
    assert batcher.queue_depth == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert batcher.queue_depth == 0
    first.finish()
    await batcher.drain()
    assert scorer.calls.empty()


@virtual_time
async def test_a_cancelled_wait_leaves_work_and_other_waiters_alone() -> None:
    batcher, scorer = gated()
    ticket = batcher.submit([group("a")])
    waits = [asyncio.create_task(ticket.wait(now() + 60.0)) for _ in range(3)]
    call = await scorer.next_call()
    waits[1].cancel()
    await turns()
    assert len(ticket._waiters) == 2
    call.finish()
    await asyncio.gather(waits[0], waits[2])
    assert_scored([group("a")], ticket.results())
    assert ticket._waiters == []


@virtual_time
async def test_expired_work_is_never_scored() -> None:
    batcher, scorer = gated()
    batcher.submit([group("first")])
    first = await scorer.next_call()
    late = batcher.submit([group("late", responses=2)], deadline=now() + 1.0)
    fine = batcher.submit([group("fine")], deadline=now() + 9.0)
    await asyncio.sleep(2.0)
    first.finish()
    call = await scorer.next_call()
    assert call.names == ["fine"]
    await late.wait()
    scores = late.results()[0].scores
    assert [score.status for score in scores] == [Status.TIMEOUT] * 2
    assert scores[0].reason == (
        "the deadline passed before it was started: it waited 2.000 s in the queue"
    )
    call.finish()
    await fine.wait()


@virtual_time
async def test_a_split_group_that_expires_keeps_what_was_scored() -> None:
    scorer = TimedScorer(fixed=1.0, per_token=0.0)
    batcher = Batcher("timed", scorer.score, weigh, LIMITS)
    ticket = batcher.submit([group("big", responses=30)], deadline=now() + 1.5)
    await ticket.wait()
    scores = ticket.results()[0].scores
    assert [s.status for s in scores] == [Status.OK] * 16 + [Status.TIMEOUT] * 14
    assert scores[:16] == tuple(right_scores([group("big", responses=30)])[0][:16])
    await batcher.drain()


@virtual_time
async def test_close_ends_queued_and_running_work_with_a_reason() -> None:
    batcher, scorer = gated(BatchLimits(max_batch_samples=2))
    ticket = batcher.submit([group("runs"), group("cut", responses=3), group("queued")])
    await scorer.next_call()
    drained = asyncio.create_task(batcher.drain())
    await turns()
    await batcher.close()
    await ticket.wait()
    await drained
    scores = [score for result in ticket.results() for score in result.scores]
    assert {(s.status, s.reason) for s in scores} == {(Status.ERROR, "the server stopped")}
    assert batcher.queue_depth == batcher.in_flight == 0
    await batcher.close()
    with pytest.raises(Unavailable, match="'gated' has stopped"):
        batcher.submit([group("late")])


@virtual_time
async def test_close_right_after_a_batch_was_sent_out() -> None:
    batcher, _ = gated()
    ticket = batcher.submit([group("a")])
    batcher._dispatch_scheduled()  # the task exists and has not run
    assert batcher.in_flight == 1
    await batcher.close()
    assert ticket.results()[0].scores[0].reason == "the server stopped"
    await batcher.drain()


@virtual_time
async def test_close_does_not_wait_for_ever_for_a_scorer_that_ignores_it() -> None:
    released = asyncio.Event()

    async def stubborn(groups: list[Group]) -> list[list[Score]]:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue
        return right_scores(groups)

    batcher = Batcher("stubborn", stubborn, weigh, LIMITS)  # type: ignore[arg-type]
    ticket = batcher.submit([group("a")])
    await turns()
    await batcher.close()
    assert ticket.results()[0].scores[0].reason == "the server stopped"
    released.set()
    await turns()
