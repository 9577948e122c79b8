"""What holds of the batcher through any mixture of callers and failures."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_fakes import (
    group,
    now,
    right_scores,
    samples_of,
    score_of,
    weigh,
)
from virtual_time import run_virtual

from rewardsvc.batching import Batcher
from rewardsvc.errors import DeadlineUnreachable
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Score, Status

SCENARIO = st.lists(
    st.tuples(
        st.sampled_from("ab"),  # tenant
        st.one_of(st.none(), st.floats(0.1, 6.0)),  # deadline from now
        st.lists(st.tuples(st.integers(0, 12), st.integers(1, 60)), max_size=6),  # groups
        st.sampled_from(["wait", "wait", "wait", "cancel", "abandon"]),
        st.floats(0.0, 1.0),  # pause before the next
    ),
    max_size=12,
)


@given(SCENARIO, st.integers(1, 3), st.sets(st.integers(0, 30), max_size=4), st.booleans())
@settings(max_examples=200, deadline=None)
def test_every_sample_gets_its_own_result_once_whatever_happens(
    scenario: list[tuple[str, float | None, list[tuple[int, int]], str, float]],
    in_flight: int,
    poisonous: set[int],
    close_early: bool,
) -> None:
    """Through splitting, failures, expiry, cancellation and closing: one score for each
    response, in order; a number only for the response it was computed from; and never a
    batch over the budget, or with two groups where one alone was over it."""
    limits = BatchLimits(max_batch_tokens=100, max_batch_samples=8, batches_in_flight=in_flight)

    async def score(groups: list[Group]) -> list[list[Score]]:
        assert samples_of(groups) <= 8
        tokens = sum(sum(weigh(g)) for g in groups)
        assert tokens <= 100 or samples_of(groups) == 1
        await asyncio.sleep(0.01 + tokens / 500)
        if any(int(g.group_id.split(".")[1]) in poisonous for g in groups):
            raise RuntimeError("poison")
        return right_scores(groups)

    async def main() -> None:
        batcher = Batcher("scorer", score, weigh, limits)  # type: ignore[arg-type]
        submitted = []
        number = 0
        for tenant, allowed, sizes, end, pause in scenario:
            groups = []
            for responses, tokens in sizes:
                groups.append(group(f"g.{number}", responses, tokens, prompt=5))
                number += 1
            deadline = None if allowed is None else now() + allowed
            try:
                ticket = batcher.submit(groups, tenant=tenant, deadline=deadline)
            except DeadlineUnreachable:
                continue
            submitted.append((groups, ticket, deadline, end))
            await asyncio.sleep(pause)
            if end == "cancel":
                ticket.cancel()
        if close_early:
            await batcher.close()
        for groups, ticket, deadline, end in submitted:
            await ticket.wait(deadline)
            results = ticket.results()
            assert [len(r.scores) for r in results] == [len(g.responses) for g in groups]
            for g, result in zip(groups, results, strict=True):
                for response, got in zip(g.responses, result.scores, strict=True):
                    if got.status is Status.OK:
                        assert got == score_of(response)
                        assert int(g.group_id.split(".")[1]) not in poisonous
                    else:
                        assert got.value is None and got.reason
                        assert got.status in (Status.TIMEOUT, Status.ERROR)
                        if not (close_early or end == "cancel" or deadline):
                            assert got.reason.endswith("RuntimeError: poison")
        await batcher.drain()
        assert all(ticket.done for _, ticket, _, _ in submitted)
        assert batcher.queue_depth == batcher.queued_tokens == batcher.in_flight == 0

    run_virtual(main())
