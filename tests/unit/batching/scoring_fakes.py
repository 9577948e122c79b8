"""Groups of known weight, and scorers that do as they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rewardsvc.batching import Batcher
from rewardsvc.scorers.scorer import BatchLimits
from rewardsvc.types import Group, GroupScores, Response, Score, Status

TOKENS = 10


def group(name: str = "g", responses: int = 1, tokens: int = TOKENS, prompt: int = 0) -> Group:
    """A group whose prompt weighs `prompt` and each of whose responses weighs `tokens`."""
    return Group(
        name,
        "p" * prompt,
        tuple(Response(f"{name}/{index}", "r" * tokens) for index in range(responses)),
    )


def weigh(group: Group) -> list[int]:
    """As many tokens as characters."""
    return [len(group.prompt), *(len(response.text) for response in group.responses)]


def score_of(response: Response) -> Score:
    """A score that tells which response it belongs to."""
    return Score(Status.OK, float(hash(response.sample_id) % 1_000_003), response.sample_id)


def right_scores(groups: Sequence[Group]) -> list[list[Score]]:
    return [[score_of(response) for response in group.responses] for group in groups]


def assert_scored(groups: Sequence[Group], results: Sequence[GroupScores]) -> None:
    """Every sample has its own score, in order."""
    assert [list(result.scores) for result in results] == right_scores(groups)


def tokens_of(groups: Sequence[Group]) -> int:
    return sum(sum(weigh(group)) for group in groups)


def samples_of(groups: Sequence[Group]) -> int:
    return sum(len(group.responses) for group in groups)


class Call:
    """One batch given to a `GatedScorer`: answer it with `finish`, `fail` or `answer`."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = list(groups)
        self.future: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    @property
    def names(self) -> list[str]:
        return [group.group_id for group in self.groups]

    def finish(self) -> None:
        self.answer(right_scores(self.groups))

    def fail(self, error: BaseException) -> None:
        self.future.set_exception(error)

    def answer(self, results: object) -> None:
        self.future.set_result(results)


class GatedScorer:
    """Holds every batch until the test answers it."""

    def __init__(self) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()

    async def score(self, groups: Sequence[Group]) -> object:
        call = Call(groups)
        self.calls.put_nowait(call)
        return await call.future

    async def next_call(self) -> Call:
        return await self.calls.get()


class TimedScorer:
    """Takes `fixed + per_token * tokens` seconds for a batch, one batch at a time."""

    def __init__(self, fixed: float = 0.01, per_token: float = 0.001) -> None:
        self.fixed = fixed
        self.per_token = per_token
        self.batches: list[list[Group]] = []
        self.extra_seconds = 0.0

    async def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        self.batches.append(list(groups))
        await asyncio.sleep(self.fixed + self.per_token * tokens_of(groups) + self.extra_seconds)
        return right_scores(groups)


async def turns(count: int = 5) -> None:
    """Lets everything happen that is due without time passing."""
    for _ in range(count):
        await asyncio.sleep(0)


LIMITS = BatchLimits(max_batch_tokens=100, max_batch_samples=8)


def gated(limits: BatchLimits = LIMITS, **options: object) -> tuple[Batcher, GatedScorer]:
    """A batcher whose scorer holds every batch until the test answers it."""
    scorer = GatedScorer()
    return Batcher("gated", scorer.score, weigh, limits, **options), scorer  # type: ignore[arg-type]


def now() -> float:
    return asyncio.get_running_loop().time()
