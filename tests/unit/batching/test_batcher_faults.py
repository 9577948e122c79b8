"""A scorer that raises or answers nonsense: only what is affected is an error, and says why."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import pytest
from scoring_fakes import GatedScorer, assert_scored, gated, group, now, right_scores, turns, weigh
from virtual_time import virtual_time

from rewardsvc.batching import Batcher
from rewardsvc.batching.checking import LONGEST_REASON, checked_group, shortened
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, GroupScores, Score, Status

OK = Score(Status.OK, 0.5)


def error_reason(result: GroupScores) -> str:
    """The one reason of a group whose samples are all errors."""
    assert {score.status for score in result.scores} == {Status.ERROR}
    assert all(score.value is None for score in result.scores)
    (reason,) = {score.reason for score in result.scores}
    return reason


@virtual_time
async def test_only_the_poisonous_group_fails(caplog: pytest.LogCaptureFixture) -> None:
    batcher, scorer = gated()
    groups = [group("a"), group("poison", responses=2), group("b")]
    ticket = batcher.submit(groups)
    (await scorer.next_call()).fail(RuntimeError("CUDA error:\n   out of memory"))
    for name in ("a", "poison", "b"):
        call = await scorer.next_call()
        assert call.names == [name] and batcher.in_flight == 1
        call.fail(KeyError("x")) if name == "poison" else call.finish()
    await ticket.wait()
    a, poison, b = ticket.results()
    assert_scored([groups[0], groups[2]], [a, b])
    assert error_reason(poison) == "scorer 'gated' raised KeyError: 'x'"
    traced = [record for record in caplog.records if record.exc_info]
    assert [record.exc_info[0] for record in traced if record.exc_info] == [RuntimeError, KeyError]


@virtual_time
async def test_a_group_that_was_alone_is_not_run_again() -> None:
    batcher, scorer = gated()
    ticket = batcher.submit([group("only")])
    (await scorer.next_call()).fail(ValueError("shape\n[3, 4]"))
    await ticket.wait()
    assert error_reason(ticket.results()[0]) == "scorer 'gated' raised ValueError: shape [3, 4]"
    assert scorer.calls.empty()
    await batcher.drain()


@virtual_time
async def test_a_split_group_can_be_poisoned_in_part() -> None:
    batcher, scorer = gated(BatchLimits(max_batch_samples=2))
    ticket = batcher.submit([group("big", responses=4)])
    (await scorer.next_call()).fail(ValueError("no"))
    (await scorer.next_call()).finish()
    await ticket.wait()
    statuses = [score.status for score in ticket.results()[0].scores]
    assert statuses == [Status.ERROR, Status.ERROR, Status.OK, Status.OK]


@virtual_time
async def test_running_one_by_one_skips_what_expired_or_was_cancelled() -> None:
    batcher, scorer = gated()
    first = batcher.submit([group("first")])
    late = batcher.submit([group("late")], deadline=now() + 1.0)
    gone = batcher.submit([group("gone")])
    last = batcher.submit([group("last")])
    failing = await scorer.next_call()
    assert sorted(failing.names) == ["first", "gone", "last", "late"]
    failing.fail(RuntimeError("no"))
    # `late` has a deadline, so it is the first to be run again.
    again = await scorer.next_call()
    assert again.names == ["late"]
    again.finish()
    again = await scorer.next_call()
    assert again.names == ["first"]
    gone.cancel()
    again.finish()
    again = await scorer.next_call()
    assert again.names == ["last"]
    again.finish()
    await batcher.drain()
    assert [t.results()[0].scores[0].status for t in (first, late, last)] == [Status.OK] * 3


@virtual_time
async def test_running_one_by_one_stops_at_the_deadline() -> None:
    batcher, scorer = gated()
    ticket = batcher.submit([group("a"), group("b")], deadline=now() + 1.0)
    (await scorer.next_call()).fail(RuntimeError("no"))
    call = await scorer.next_call()
    await asyncio.sleep(1.5)
    call.finish()
    await ticket.wait()
    a, b = ticket.results()
    assert a.scores[0].status is Status.OK
    assert b.scores[0].status is Status.TIMEOUT
    assert "one by one" in b.scores[0].reason
    assert scorer.calls.empty()


@virtual_time
async def test_close_while_running_one_by_one_keeps_what_was_scored() -> None:
    batcher, scorer = gated()
    ticket = batcher.submit([group("a"), group("b")])
    (await scorer.next_call()).fail(RuntimeError("no"))
    (await scorer.next_call()).finish()
    await scorer.next_call()
    await batcher.close()
    a, b = ticket.results()
    assert a.scores[0].status is Status.OK
    assert error_reason(b) == "the server stopped"


@virtual_time
async def test_close_keeps_the_part_of_a_split_group_that_was_run_again() -> None:
    limits = BatchLimits(max_batch_tokens=80, max_batch_samples=3, batches_in_flight=2)
    batcher, scorer = gated(limits)
    big = group("big", responses=4)
    ticket = batcher.submit([big], tenant="a")
    other = batcher.submit([group("other")], tenant="b")
    failing = await scorer.next_call()
    assert failing.names == ["big", "other", "big"]
    assert (await scorer.next_call()).names == ["big"]  # runs until the end
    failing.fail(RuntimeError("no"))
    (await scorer.next_call()).finish()
    assert (await scorer.next_call()).names == ["other"]
    await batcher.close()
    assert ticket.done and other.done
    scores = ticket.results()[0].scores
    assert scores[0] == right_scores([big])[0][0]
    assert [score.reason for score in scores[1:]] == ["the server stopped"] * 3


@virtual_time
async def test_a_cancellation_from_within_is_an_error_and_not_a_hang() -> None:
    batcher, scorer = gated()
    ticket = batcher.submit([group("a"), group("b")])
    (await scorer.next_call()).fail(asyncio.CancelledError())
    (await scorer.next_call()).fail(asyncio.CancelledError())
    (await scorer.next_call()).finish()
    await ticket.wait()
    a, b = ticket.results()
    assert error_reason(a) == (
        "scorer 'gated' raised RuntimeError: scoring was cancelled from within"
    )
    assert b.scores[0].status is Status.OK
    batcher.submit([group("c")])
    (await scorer.next_call()).finish()
    await batcher.drain()


@virtual_time
async def test_the_batcher_goes_on_after_a_failure() -> None:
    batcher, scorer = gated()
    batcher.submit([group("a")])
    (await scorer.next_call()).fail(RuntimeError("no"))
    ticket = batcher.submit([group("b")])
    (await scorer.next_call()).finish()
    await ticket.wait()
    assert_scored([group("b")], ticket.results())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([[OK]], "answered 2 groups with 1"),
        ([[OK], [OK, OK], [OK]], "answered 2 groups with 3"),
        (None, "answered 2 groups with NoneType"),
        (iter([]), "answered 2 groups with list_iterator"),
    ],
)
@virtual_time
async def test_a_wrong_number_of_groups_is_an_error_of_all(answer: object, said: str) -> None:
    batcher, scorer = gated()
    ticket = batcher.submit([group("a"), group("b", responses=2)])
    (await scorer.next_call()).answer(answer)
    await ticket.wait()
    assert [error_reason(result) for result in ticket.results()] == [f"scorer 'gated' {said}"] * 2
    await batcher.drain()


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([OK], "answered 2 responses with 1 scores"),
        ([OK] * 3, "answered 2 responses with 3 scores"),
        (None, "answered 2 responses with NoneType scores"),
    ],
)
@virtual_time
async def test_a_wrong_number_of_scores_is_an_error_of_that_group(
    scores: object, said: str
) -> None:
    batcher, scorer = gated()
    groups = [group("a"), group("b", responses=2)]
    ticket = batcher.submit(groups)
    (await scorer.next_call()).answer([right_scores(groups)[0], scores])
    await ticket.wait()
    a, b = ticket.results()
    assert_scored([groups[0]], [a])
    assert error_reason(b) == f"scorer 'gated' {said}"


@dataclass
class Impostor:
    status: Any = Status.OK
    value: Any = 1.0


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (Score(Status.OK, float("nan")), "a value of nan"),
        (Score(Status.TRUNCATED, float("-inf")), "a value of -inf"),
        (Score(Status.OK, None), "status ok without a value"),
        (Score(Status.TIMEOUT, 0.0), "status timeout with a value of 0.0"),
        (Score(Status.ABSTAINED, 1.0), "status abstained with a value of 1.0"),
        (Score(Status.OK, 10**400), "a int that is no finite number"),
        (Score(Status.OK, "1.0"), "a str that is no finite number"),  # type: ignore[arg-type]
        (Score("ok", 1.0), "status 'ok', which is none"),  # type: ignore[arg-type]
        (0.5, "a float in place of a Score"),
        (None, "a NoneType in place of a Score"),
    ],
)
def test_an_impossible_score_is_an_error_of_that_sample(score: Any, said: str) -> None:
    scores, wrong = checked_group("rm", 3, [OK, score, OK])
    assert scores == (OK, Score.unscored(Status.ERROR, f"scorer 'rm' answered {said}"), OK)
    assert wrong == f"scorer 'rm' answered {said}"


def test_what_is_right_is_passed_on_as_it_is() -> None:
    scores = (OK, Score(Status.TRUNCATED, -3.0), Score.unscored(Status.ABSTAINED, "no answer"))
    assert checked_group("rm", 3, scores) == (scores, "")
    assert checked_group("rm", 0, []) == ((), "")


@virtual_time
async def test_a_group_that_cannot_be_weighed_fails_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fussy(group: Group) -> list[int]:
        if group.group_id.startswith("odd"):
            return [1]
        if group.group_id.startswith("bad"):
            raise UnicodeError("surrogates")
        return weigh(group)

    scorer = GatedScorer()
    batcher = Batcher("fussy", scorer.score, fussy, BatchLimits())  # type: ignore[arg-type]
    groups = [group("bad"), group("a"), group("odd"), group("bad2"), group("b")]
    ticket = batcher.submit(groups)
    call = await scorer.next_call()
    assert call.names == ["a", "b"]
    call.finish()
    await ticket.wait()
    bad, a, odd, bad2, b = ticket.results()
    assert_scored([groups[1], groups[4]], [a, b])
    assert error_reason(bad) == "scorer 'fussy' could not weigh it: UnicodeError: surrogates"
    assert error_reason(odd).endswith("ValueError: weights [1] for 1 responses")
    assert error_reason(bad2) == error_reason(bad)
    assert len([r for r in caplog.records if r.levelno == logging.ERROR]) == 1
    none = batcher.submit([group("bad")])
    assert none.done and batcher.queue_depth == 0


def test_a_reason_is_one_short_line() -> None:
    class Unprintable(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert shortened(ValueError("a\n\n  b")) == "ValueError: a b"
    assert shortened(ValueError()) == "ValueError"
    assert shortened(Unprintable()) == "Unprintable: its message cannot be shown"
    assert len(shortened(ValueError("x" * 10**6))) == LONGEST_REASON


@virtual_time
async def test_a_failing_observer_loses_no_results(caplog: pytest.LogCaptureFixture) -> None:
    class Failing:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("observer")

    batcher, scorer = gated(observer=Failing())
    ticket = batcher.submit([group("a")])
    (await scorer.next_call()).finish()
    await ticket.wait()
    assert_scored([group("a")], ticket.results())
    await turns()
    assert batcher.in_flight == 0
