"""The batcher: gathers what callers submit, keeps the scorer busy, hands each its scores."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest
from scoring_fakes import (
    LIMITS,
    TimedScorer,
    assert_scored,
    gated,
    group,
    now,
    right_scores,
    samples_of,
    turns,
    weigh,
)
from virtual_time import virtual_time

from rewardsvc.batching import Batcher
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Score


@virtual_time
async def test_what_is_submitted_in_one_turn_is_one_batch() -> None:
    batcher, scorer = gated()
    tickets = [batcher.submit([group(f"g{i}")], tenant=f"t{i % 2}") for i in range(5)]
    assert (batcher.queue_depth, batcher.queued_tokens, batcher.in_flight) == (5, 50, 0)
    call = await scorer.next_call()
    assert (batcher.queue_depth, batcher.queued_tokens, batcher.in_flight) == (0, 0, 1)
    assert sorted(call.names) == ["g0", "g1", "g2", "g3", "g4"]
    call.finish()
    await batcher.drain()
    for index, ticket in enumerate(tickets):
        assert_scored([group(f"g{index}")], ticket.results())
    assert batcher.in_flight == 0


@virtual_time
async def test_the_next_batch_gathers_while_one_runs_and_goes_out_at_once() -> None:
    batcher, scorer = gated()
    batcher.submit([group("first")])
    first = await scorer.next_call()
    batcher.submit([group("a")])
    await turns()
    batcher.submit([group("b")])
    await turns()
    assert scorer.calls.empty()
    first.finish()
    assert (await scorer.next_call()).names == ["a", "b"]


@virtual_time
async def test_as_many_batches_run_as_the_scorer_wants() -> None:
    batcher, scorer = gated(BatchLimits(max_batch_samples=1, batches_in_flight=2))
    ticket = batcher.submit([group(f"g{i}") for i in range(3)])
    one, two = await scorer.next_call(), await scorer.next_call()
    await turns()
    assert scorer.calls.empty() and batcher.in_flight == 2
    two.finish()
    three = await scorer.next_call()
    three.finish()
    one.finish()
    await ticket.wait()
    assert_scored([group(f"g{i}") for i in range(3)], ticket.results())


@virtual_time
async def test_a_group_larger_than_a_batch_comes_back_whole() -> None:
    batcher, scorer = gated()
    groups = [group("a"), group("big", responses=30, prompt=20), group("b")]
    ticket = batcher.submit(groups)
    await ticket.wait(now())
    assert not ticket.done
    while not ticket.done:
        call = await scorer.next_call()
        assert sum(sum(weigh(g)) for g in call.groups) <= 100
        assert samples_of(call.groups) <= 8
        call.finish()
        await turns()
    assert_scored(groups, ticket.results())


@virtual_time
async def test_timing_tells_queue_from_scoring() -> None:
    scorer = TimedScorer(fixed=1.0, per_token=0.0)
    batcher = Batcher("timed", scorer.score, weigh, LIMITS)
    first = batcher.submit([group("first")])
    await asyncio.sleep(0.25)
    second = batcher.submit([group("second"), group("split", responses=20)])
    await second.wait()
    assert first.results()[0].timing.inference_seconds == pytest.approx(1.0)
    assert first.results()[0].timing.queue_seconds == 0.0
    plain, split = (result.timing for result in second.results())
    assert (plain.queue_seconds, plain.inference_seconds) == pytest.approx((0.75, 1.0))
    assert (split.queue_seconds, split.inference_seconds) == pytest.approx((0.75, 3.0))


@virtual_time
async def test_groups_without_responses_and_calls_without_groups_are_done_at_once() -> None:
    batcher, scorer = gated()
    empty = batcher.submit([])
    assert empty.done and empty.results() == []
    hollow = batcher.submit([group("hollow", responses=0)])
    await hollow.wait()
    assert hollow.results()[0].scores == ()
    mixed = batcher.submit([group("hollow", responses=0), group("a"), group("b", responses=0)])
    (await scorer.next_call()).finish()
    await mixed.wait()
    assert [len(result.scores) for result in mixed.results()] == [0, 1, 0]


@virtual_time
async def test_room_wakes_when_something_leaves_the_queue() -> None:
    batcher, scorer = gated()
    await batcher.room()
    batcher.submit([group("first")])
    first = await scorer.next_call()
    queued = batcher.submit([group("queued")])
    waits = [asyncio.create_task(batcher.room()) for _ in range(2)]
    await turns()
    assert not waits[0].done()
    first.finish()
    await asyncio.gather(*waits)
    batcher.submit([group("again")])
    wait = asyncio.create_task(batcher.room())
    await turns()
    queued.cancel()  # runs already: nothing leaves the queue
    await turns()
    assert not wait.done()
    await batcher.close()
    await wait


@virtual_time
async def test_one_tenants_huge_request_delays_another_by_about_a_batch() -> None:
    scorer = TimedScorer(fixed=1.0, per_token=0.0)
    batcher = Batcher("timed", scorer.score, weigh, LIMITS)
    huge = batcher.submit([group(f"h{i}") for i in range(10_000)], tenant="trainer")
    await asyncio.sleep(0.5)
    single = batcher.submit([group("single")], tenant="evaluation")
    await single.wait()
    assert single.results()[0].timing.queue_seconds == pytest.approx(0.5)
    small = batcher.submit([group("small")], tenant="trainer")
    await small.wait()
    assert small.results()[0].timing.queue_seconds <= 2.0
    huge.cancel()
    await batcher.drain()


class Recorder:
    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []

    def batch_finished(
        self,
        name: str,
        *,
        groups: int,
        samples: int,
        tokens: int,
        longest_queue_seconds: float,
        seconds: float,
    ) -> None:
        self.events.append(
            ("finished", name, groups, samples, tokens, longest_queue_seconds, seconds)
        )

    def batch_failed(self, name: str, *, groups: int, samples: int, error: str) -> None:
        self.events.append(("failed", name, groups, samples, error))

    def dropped(self, name: str, *, samples: int, why: str) -> None:
        self.events.append(("dropped", name, samples, why))


@virtual_time
async def test_the_observer_hears_of_every_batch_and_every_drop() -> None:
    recorder = Recorder()
    batcher, scorer = gated(observer=recorder)
    batcher.submit([group("a", responses=2)])
    first = await scorer.next_call()
    batcher.submit([group("late", responses=3)], deadline=now() + 1.0)
    gone = batcher.submit([group("gone")])
    batcher.submit([group("bad")])
    gone.cancel()
    await asyncio.sleep(2.0)
    first.finish()
    (await scorer.next_call()).fail(RuntimeError("no"))
    await turns()
    batcher.submit([group("nonsense")])
    (await scorer.next_call()).answer([[]])
    await turns()
    batcher.submit([group("x")])
    await scorer.next_call()
    batcher.submit([group("stopped")])
    await batcher.close()
    assert recorder.events == [
        ("dropped", "gated", 1, "cancelled"),
        ("dropped", "gated", 3, "expired"),
        ("finished", "gated", 1, 2, 20, 0.0, pytest.approx(2.0)),
        ("failed", "gated", 1, 1, "RuntimeError"),
        ("failed", "gated", 1, 1, "WrongAnswer"),
        ("dropped", "gated", 1, "stopped"),
    ]


@pytest.mark.parametrize("field", BatchLimits.__slots__)
def test_limits_below_one_name_the_field(field: str) -> None:
    with pytest.raises(ValueError, match=f"{field} of scorer 'gated' is 0"):
        gated(BatchLimits(**{field: 0}))


async def test_many_concurrent_callers_on_a_real_loop() -> None:
    async def score(groups: list[Group]) -> list[list[Score]]:
        await asyncio.sleep(0)
        return right_scores(groups)

    limits = BatchLimits(max_batch_tokens=2000, max_batch_samples=64, batches_in_flight=2)
    batcher = Batcher("scorer", score, weigh, limits)  # type: ignore[arg-type]

    async def caller(index: int) -> None:
        for turn in range(5):
            groups = [group(f"c{index}t{turn}g{g}", 1 + (index + g) % 5) for g in range(3)]
            with batcher.submit(groups, tenant=f"t{index % 7}") as ticket:
                await ticket.wait()
                assert_scored(groups, ticket.results())

    await asyncio.gather(*(caller(index) for index in range(400)))
    assert batcher.queue_depth == batcher.queued_tokens == batcher.in_flight == 0


@virtual_time
async def test_ten_thousand_samples_in_one_call_are_cut_into_batches() -> None:
    for groups in ([group(f"g{i}") for i in range(10_000)], [group("one", responses=10_000)]):
        scorer = TimedScorer()
        batcher = Batcher("timed", scorer.score, weigh, BatchLimits(max_batch_samples=512))
        ticket = batcher.submit(groups)
        await ticket.wait()
        assert_scored(groups, ticket.results())
        assert max(samples_of(batch) for batch in scorer.batches) == 512
        assert len(scorer.batches) == 20


def test_importing_it_loads_nothing_heavy() -> None:
    code = (
        "import sys, rewardsvc.batching;"
        "sys.exit(sorted({'grpc', 'torch', 'google.protobuf', 'numpy'} & set(sys.modules)) or 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0
