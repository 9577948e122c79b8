"""The fair queue: budgets, order within a tenant, shares between tenants, nothing lost."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_fakes import TOKENS, group, weigh

from rewardsvc.batching.batch import Batch
from rewardsvc.batching.queue import PATIENCE_SECONDS, TURNS_IN_A_BATCH, FairQueue
from rewardsvc.batching.submission import Submission
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, Status

LIMITS = BatchLimits(max_batch_tokens=800, max_batch_samples=64)


def submission(
    groups: list[Group],
    tenant: str = "default",
    arrival: float = 0.0,
    deadline: float | None = None,
) -> Submission:
    return Submission(groups, [weigh(g) for g in groups], tenant, arrival, deadline)


def push(queue: FairQueue, groups: list[Group], *args: object, **kwargs: object) -> Submission:
    pushed = submission(groups, *args, **kwargs)  # type: ignore[arg-type]
    queue.push(pushed)
    return pushed


def singles(name: str, count: int, tokens: int = TOKENS) -> list[Group]:
    return [group(f"{name}{index}", tokens=tokens) for index in range(count)]


def names(batch: Batch | None) -> list[str]:
    assert batch is not None
    return [g.group_id for g in batch.groups]


def test_groups_of_all_callers_go_out_together_up_to_the_token_budget() -> None:
    queue = FairQueue(LIMITS)
    for index in range(20):
        push(queue, [group(f"g{index}", tokens=100)], "trainer" if index % 2 else "evaluation")
    sizes = []
    while batch := queue.gather(0.0):
        sizes.append((batch.tokens, batch.samples))
    assert sizes == [(800, 8), (800, 8), (400, 4)]
    assert queue.tokens == queue.samples == 0


def test_the_number_of_samples_bounds_a_batch_too() -> None:
    queue = FairQueue(LIMITS)
    push(queue, [group("g", responses=40, tokens=1), group("h", responses=40, tokens=1)])
    assert names(queue.gather(0.0)) == ["g"]
    assert names(queue.gather(0.0)) == ["h"]


def test_a_group_that_does_not_fit_any_more_waits_whole() -> None:
    queue = FairQueue(LIMITS)
    push(queue, [group("small", tokens=300), group("whole", responses=6, tokens=100)])
    assert names(queue.gather(0.0)) == ["small"]
    batch = queue.gather(0.0)
    assert batch is not None and batch.samples == 6


def test_a_group_larger_than_a_batch_is_split_with_its_prompt() -> None:
    queue = FairQueue(LIMITS)
    big = group("big", responses=20, tokens=100, prompt=50)
    push(queue, [big])
    seen = []
    while batch := queue.gather(0.0):
        assert batch.tokens <= 800
        assert [g.prompt for g in batch.groups] == [big.prompt]
        seen.append(batch.groups[0].responses)
    assert [len(part) for part in seen] == [7, 7, 6]
    assert tuple(response for part in seen for response in part) == big.responses
    assert queue.tokens == queue.samples == 0


def test_a_response_larger_than_a_batch_is_one_of_its_own() -> None:
    queue = FairQueue(LIMITS)
    push(queue, [group("a"), group("huge", tokens=5000, prompt=10), group("b")])
    assert names(queue.gather(0.0)) == ["a"]
    huge = queue.gather(0.0)
    assert names(huge) == ["huge"] and huge is not None and huge.tokens == 5010
    assert names(queue.gather(0.0)) == ["b"]


def test_the_earliest_deadline_goes_first_and_equals_in_order_of_arrival() -> None:
    queue = FairQueue(BatchLimits(max_batch_samples=1))
    for name, deadline in [("c", 30.0), ("x", None), ("a", 10.0), ("b1", 20.0), ("b2", 20.0)]:
        push(queue, [group(name)], deadline=deadline)
    assert [names(queue.gather(0.0))[0] for _ in range(5)] == ["a", "b1", "b2", "c", "x"]


def test_work_without_a_deadline_ages() -> None:
    queue = FairQueue(BatchLimits(max_batch_samples=1))
    push(queue, [group("old")], arrival=0.0)
    push(queue, [group("urgent")], arrival=30.0, deadline=PATIENCE_SECONDS - 1)
    push(queue, [group("later")], arrival=30.0, deadline=PATIENCE_SECONDS + 1)
    assert [names(queue.gather(31.0))[0] for _ in range(3)] == ["urgent", "old", "later"]


def test_a_small_request_passes_a_huge_one_of_its_own_tenant() -> None:
    queue = FairQueue(LIMITS)
    push(queue, singles("huge", 10_000), arrival=0.0)
    queue.gather(0.0)
    push(queue, [group("small")], arrival=1.0)
    queue.gather(2.0)  # what was first stays first, for one batch
    assert names(queue.gather(3.0))[0] == "small"


def test_a_huge_request_ahead_of_its_deadline_yields_and_one_behind_does_not() -> None:
    relaxed, pressed = FairQueue(LIMITS), FairQueue(LIMITS)
    for queue, allowed in ((relaxed, 1000.0), (pressed, 20.0)):
        push(queue, singles("huge", 640), arrival=0.0, deadline=allowed)
        queue.gather(5.0)  # a tenth is done after 5 s: enough for 1000 s, not for 20 s
        push(queue, [group("small")], arrival=4.0, deadline=allowed + 4.0)
    assert names(relaxed.gather(6.0))[0] == "small"
    assert names(pressed.gather(6.0))[0].startswith("huge")


def test_a_newcomer_is_in_the_next_batch() -> None:
    queue = FairQueue(LIMITS)
    push(queue, singles("huge", 10_000), "trainer")
    queue.gather(0.0)
    push(queue, [group("single")], "evaluation", arrival=1.0)
    assert "single" in names(queue.gather(1.0))


def test_a_tenant_without_competition_gets_whole_batches() -> None:
    queue = FairQueue(LIMITS)
    push(queue, singles("a", 640))
    assert [queue.gather(0.0).samples for _ in range(10)] == [64] * 10  # type: ignore[union-attr]


def test_shares_divide_the_throughput() -> None:
    queue = FairQueue(LIMITS, {"gold": 3.0})
    push(queue, singles("gold", 4000), "gold")
    push(queue, singles("plain", 4000), "plain")
    served: Counter[str] = Counter()
    for _ in range(40):
        served.update(name.rstrip("0123456789") for name in names(queue.gather(0.0)))
    assert served["gold"] / served["plain"] == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize("share", [0.0, -1.0, float("nan"), float("inf"), 1e-9])
def test_a_bad_share_names_the_tenant_and_the_range(share: float) -> None:
    with pytest.raises(ValueError, match=r"tenant 'trainer' is .*0\.01 to 100"):
        FairQueue(LIMITS, {"trainer": share})


@given(
    st.dictionaries(
        st.sampled_from("abcde"), st.sampled_from([0.25, 1.0, 2.0, 5.0]), min_size=2, max_size=5
    ),
    st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_backlogged_tenants_never_drift_apart(shares: dict[str, float], seed: int) -> None:
    """The bound of deficit round robin: for any two tenants that always have work, served
    tokens by share differ by at most a quantum and the largest group of each."""
    rng = random.Random(seed)
    largest = 400
    queue = FairQueue(LIMITS, shares)
    for tenant in shares:
        sizes = [rng.randint(1, largest) for _ in range(2500)]
        groups = [group(tenant, tokens=size) for size in sizes]
        cuts = sorted(rng.sample(range(1, 2500), rng.randint(0, 30)))
        for start, end in zip([0, *cuts], [*cuts, 2500], strict=True):
            push(queue, groups[start:end], tenant)
    served = dict.fromkeys(shares, 0)
    for _ in range(60):
        batch = queue.gather(0.0)
        assert batch is not None and batch.tokens <= LIMITS.max_batch_tokens
        for g in batch.groups:
            served[g.group_id] += sum(weigh(g))
        for one, share in shares.items():
            for other, other_share in shares.items():
                drift = served[one] / share - served[other] / other_share
                quantum = LIMITS.max_batch_tokens / TURNS_IN_A_BATCH
                assert drift <= quantum + largest / share + largest / other_share


def test_groups_larger_than_a_batch_take_turns_too() -> None:
    queue = FairQueue(LIMITS)
    push(queue, [group("a", responses=2000, prompt=20)], "a")
    push(queue, [group("b", responses=2000, prompt=20)], "b")
    served: Counter[str] = Counter()
    for _ in range(20):
        batch = queue.gather(0.0)
        assert batch is not None and batch.tokens <= LIMITS.max_batch_tokens
        for g in batch.groups:
            served[g.group_id] += sum(weigh(g))
        quantum = LIMITS.max_batch_tokens / TURNS_IN_A_BATCH
        assert abs(served["a"] - served["b"]) <= quantum + 2 * 30


def test_small_shares_and_large_groups_cost_no_endless_rounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A group of a whole batch, at a hundredth of a share, is worth 800 turns of saving."""
    turns = 0
    take_turn = FairQueue._take_turn

    def counted(*args: Any) -> tuple[int, bool]:
        nonlocal turns
        turns += 1
        return take_turn(*args)

    monkeypatch.setattr(FairQueue, "_take_turn", counted)
    tenants = [f"t{index}" for index in range(20)]
    queue = FairQueue(LIMITS, dict.fromkeys(tenants, 0.01))
    for tenant in tenants:
        push(queue, [group(tenant, tokens=800)] * 2, tenant)
    order = [names(queue.gather(0.0))[0] for _ in range(40)]
    assert order == tenants * 2
    assert turns <= 40 * 3


def test_what_expired_is_set_aside_and_not_gathered() -> None:
    queue = FairQueue(LIMITS)
    late = push(queue, [group("late")], deadline=1.0)
    push(queue, [group("fine")], deadline=9.0)
    assert names(queue.gather(1.0)) == ["fine"]
    assert queue.expired == [late]
    assert queue.tokens == queue.samples == 0


def test_a_removed_submission_leaves_at_once_and_takes_its_tenant_along() -> None:
    queue = FairQueue(LIMITS)
    kept = push(queue, [group("kept")], "a")
    gone = push(queue, singles("gone", 3), "b")
    queue.remove(gone)
    queue.remove(gone)
    gone.give_up()
    assert (queue.samples, queue.tokens) == (1, kept.tokens)
    assert names(queue.gather(0.0)) == ["kept"]
    assert queue.gather(0.0) is None


def test_abandoned_submissions_do_not_pile_up() -> None:
    queue = FairQueue(LIMITS)
    push(queue, [group("urgent")], deadline=1.0)
    for _ in range(10_000):
        gone = push(queue, [group("gone")], deadline=500.0)
        queue.remove(gone)
        gone.give_up()
    assert len(queue._tenants["default"]._heap) < 200
    assert len(queue._tenants["default"]._tally) == 1
    assert names(queue.gather(0.0)) == ["urgent"]


def test_predicted_work_before_a_newcomer() -> None:
    queue = FairQueue(LIMITS)
    push(queue, singles("huge", 1000), "trainer")
    # Another tenant shares the engine with one; its single sample waits for one turn.
    assert queue.tokens_until("evaluation", 10, 5.0) == 20
    # In the same tenant an earlier deadline goes first; otherwise a batch goes before it.
    assert queue.tokens_until("trainer", 10, PATIENCE_SECONDS - 10) == 10
    assert queue.tokens_until("trainer", 10, PATIENCE_SECONDS + 10) == 810
    # What is itself large has to wait for everything.
    assert queue.tokens_until("trainer", 5000, 5.0) == 15_000
    assert queue.tokens_until("evaluation", 20_000, 5.0) == 30_000


SUBMISSIONS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(st.none(), st.integers(0, 12)),
        st.lists(st.tuples(st.integers(0, 9), st.integers(1, 90), st.integers(0, 40)), max_size=8),
    ),
    max_size=12,
)


@given(SUBMISSIONS, st.integers(1, 200), st.integers(1, 12), st.data())
@settings(max_examples=300, deadline=None)
def test_nothing_is_lost_doubled_or_out_of_order(
    wanted: list[tuple[str, int | None, list[tuple[int, int, int]]]],
    max_tokens: int,
    max_samples: int,
    data: st.DataObject,
) -> None:
    """Whatever is pushed, split, expired or removed: each sample is gathered exactly once, in
    the order of its submission, or belongs to one that expired or was removed."""
    limits = BatchLimits(max_batch_tokens=max_tokens, max_batch_samples=max_samples)
    queue = FairQueue(limits, {"a": 2.0})
    pushed: list[Submission] = []
    removed: list[Submission] = []
    expired: list[Submission] = []
    gathered: dict[Submission, list[str]] = {}
    now = 0.0

    def gather() -> bool:
        batch = queue.gather(now)
        for late in queue.expired:
            late.end_queued(Status.TIMEOUT, "late", now)
        expired.extend(queue.expired)
        queue.expired.clear()
        if batch is None:
            return False
        assert batch.samples == sum(len(g.responses) for g in batch.groups) <= max_samples
        assert batch.tokens == sum(sum(weigh(g)) for g in batch.groups)
        assert batch.tokens <= max_tokens or batch.samples == 1
        at = 0
        for portion in batch.portions:
            for g in batch.groups[at : at + len(portion.indices)]:
                ids = [r.sample_id for r in g.responses]
                gathered.setdefault(portion.submission, []).extend(ids)
            at += len(portion.indices)
        assert at == len(batch.groups)
        return True

    for index, (tenant, deadline, sizes) in enumerate(wanted):
        groups = [
            group(f"{index}.{i}", responses, tokens, prompt)
            for i, (responses, tokens, prompt) in enumerate(sizes)
        ]
        new = submission(groups, tenant, now, None if deadline is None else float(deadline))
        pushed.append(new)
        if new.samples:
            queue.push(new)
        if data.draw(st.booleans()):
            gather()
            now += 1.0
        if data.draw(st.integers(0, 5)) == 0:
            gone = data.draw(st.sampled_from(pushed))
            queue.remove(gone)
            gone.give_up()
            removed.append(gone)
        assert queue.samples == sum(s.samples for s in pushed)
        assert queue.tokens == sum(s.tokens for s in pushed)
    while gather():
        pass
    assert queue.tokens == queue.samples == 0
    assert not queue._tenants and not queue._ring
    for one in pushed:
        ids = [r.sample_id for g in one.groups for r in g.responses]
        seen = gathered.get(one, [])
        assert seen == ids[: len(seen)]
        if one not in expired and one not in removed:
            assert seen == ids
