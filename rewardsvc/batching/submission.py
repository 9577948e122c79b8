"""One caller's groups on their way through a batcher: what is queued, taken, and finished.

Pure state without a clock or an event loop. A submission is cut into portions only as
batches are filled from it, so that submitting ten thousand samples costs no more than
weighing them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rewardsvc.batching.batch import Batch, Portion
from rewardsvc.types import Group, GroupScores, Score, Status, Timing


class SplitGroup:
    """The scores gathered so far of a group that was too large for one batch."""

    __slots__ = ("first_started", "missing", "scores")

    def __init__(self, responses: int, first_started: float) -> None:
        self.scores: list[Score | None] = [None] * responses
        self.missing = responses
        self.first_started = first_started


class Submission:
    """The groups of one `Batcher.submit`, taken from the front, finished in any order.

    `weights` holds for each group what `Scorer.weigh` said, or the reason why the group
    cannot be scored. Times are of the event loop's clock.
    """

    __slots__ = (
        "_costs",
        "_next_group",
        "_next_response",
        "_split",
        "_unfinished",
        "_weights",
        "arrival",
        "deadline",
        "finished",
        "groups",
        "key",
        "samples",
        "tallied",
        "tenant",
        "tokens",
        "total_tokens",
        "wanted",
        "when_done",
    )

    def __init__(
        self,
        groups: Sequence[Group],
        weights: Sequence[Sequence[int] | str],
        tenant: str,
        arrival: float,
        deadline: float | None,
    ) -> None:
        self.groups = groups
        self.tenant = tenant
        self.arrival = arrival
        self.deadline = deadline
        self.key = 0.0
        """Where it stands among its tenant's submissions; set by the queue."""
        self.tallied = 0
        """Tokens it is counted with in its tenant's tally; set by the queue."""
        self.finished: list[GroupScores | None] = [None] * len(groups)
        self.wanted = True
        """False once nobody waits for it: what is queued is not worked on."""
        self.when_done: Callable[[], None] | None = None
        self._weights = weights
        self._next_group = 0
        self._next_response = 0
        self._split: dict[int, SplitGroup] | None = None
        self._unfinished = len(groups)
        costs: list[int] = []
        tokens = samples = 0
        for index, weight in enumerate(weights):
            responses = len(groups[index].responses)
            if not responses or isinstance(weight, str):
                costs.append(0)
                reason = weight if isinstance(weight, str) else ""
                error = Score.unscored(Status.ERROR, reason)
                self._finish(index, GroupScores((error,) * responses))
                continue
            cost = sum(weight) or 1
            costs.append(cost)
            tokens += cost
            samples += responses
        self._costs = costs
        self.tokens = tokens
        """Tokens still queued."""
        self.samples = samples
        """Responses still queued."""
        self.total_tokens = tokens

    @property
    def done(self) -> bool:
        """Whether every group is finished, or nobody wants the rest."""
        return not self._unfinished or not self.wanted

    def started(self, index: int) -> bool:
        """Whether any part of the group was given to the scorer."""
        return index < self._next_group or (index == self._next_group and self._next_response > 0)

    def progress(self) -> float:
        """The share of its tokens that was taken, in [0, 1]."""
        return 1.0 - self.tokens / self.total_tokens if self.total_tokens else 1.0

    def next_cost(self, batch: Batch) -> int:
        """Tokens of the least that `fill` would move: a group, or a response of a large one."""
        index = self._next_group
        while self.finished[index] is not None:
            index += 1
        cost = self._costs[index]
        weights = self._weights[index]
        if cost <= batch.limit_tokens and len(weights) <= batch.limit_samples + 1:
            return cost
        assert not isinstance(weights, str)
        return weights[0] + weights[1 + self._next_response]

    def fill(self, batch: Batch, credit: float) -> tuple[int, bool]:
        """Moves groups from the front into `batch`, as far as room and `credit` allow.

        Returns the tokens spent, and whether the batch's room (not the credit) was what
        ended it; the latter means nothing when the submission is used up.
        """
        limit_tokens, limit_samples = batch.limit_tokens, batch.limit_samples
        groups, costs, finished = self.groups, self._costs, self.finished
        index, end = self._next_group, len(groups)
        indices: list[int] = []
        room, room_samples = limit_tokens - batch.tokens, limit_samples - batch.samples
        spent = samples = 0
        is_full = False
        while index < end:
            if finished[index] is not None:
                index += 1
                continue
            cost = costs[index]
            count = len(groups[index].responses)
            if cost > limit_tokens or count > limit_samples:
                break
            if cost > room - spent or count > room_samples - samples:
                is_full = True
                break
            if cost > credit - spent:
                break
            indices.append(index)
            spent += cost
            samples += count
            index += 1
        self._next_group = index
        if indices:
            self.tokens -= spent
            self.samples -= samples
            batch.add(Portion(self, indices), spent, samples)
        if index < end and not is_full and (costs[index] > limit_tokens or count > limit_samples):
            cut, is_full = self._fill_slice(batch, index, credit - spent)
            spent += cut
        return spent, is_full

    def _fill_slice(self, batch: Batch, index: int, credit: float) -> tuple[int, bool]:
        """Moves some responses of the oversized group at the front into `batch`."""
        weights = self._weights[index]
        assert not isinstance(weights, str)
        prompt = weights[0]
        start = stop = self._next_response
        end = len(weights) - 1
        room = batch.limit_tokens - batch.tokens
        last = min(end, start + batch.limit_samples - batch.samples)
        spent = prompt
        is_full = False
        while stop < last:
            cost = weights[stop + 1]
            # A response that is larger than any batch gets one of its own.
            if spent + cost > room and (stop > start or batch.samples):
                is_full = True
                break
            if spent + cost > credit:
                break
            spent += cost
            stop += 1
        else:
            is_full = stop < end
        if stop == start:
            return 0, is_full
        self.tokens -= spent - prompt if stop < end else spent
        self.samples -= stop - start
        self._next_response = stop
        if self._split is None:
            self._split = {}
        if index not in self._split:
            self._split[index] = SplitGroup(end, batch.started)
        if stop == end:
            self._next_group += 1
            self._next_response = 0
            if not self.samples:
                self.tokens = 0
        batch.add(Portion(self, (index,), start, stop), spent, stop - start)
        return spent, is_full

    def finish_portion(
        self,
        portion: Portion,
        scored: Sequence[tuple[Score, ...]],
        started: float,
        seconds: float,
    ) -> None:
        """Takes the scores of a portion, a tuple for each group; the first to come are kept."""
        if self.done:
            return
        if portion.start is None:
            timing = Timing(started - self.arrival, seconds)
            finished = self.finished
            for index, scores in zip(portion.indices, scored, strict=True):
                if finished[index] is None:
                    finished[index] = GroupScores(scores, timing)
                    self._unfinished -= 1
            self._tell_when_done()
        else:
            self._finish_slice(portion.indices[0], portion.start, scored[0], started + seconds)

    def _finish_slice(self, index: int, start: int, scores: Sequence[Score], ended: float) -> None:
        assert self._split is not None
        split = self._split[index]
        if split.scores[start] is not None:
            return
        split.scores[start : start + len(scores)] = scores
        split.missing -= len(scores)
        if not split.missing:
            timing = Timing(split.first_started - self.arrival, ended - split.first_started)
            self._finish(index, GroupScores(tuple(s for s in split.scores if s), timing))
            self._tell_when_done()

    def end_queued(self, status: Status, reason: str, now: float) -> None:
        """Finishes everything that was not taken yet with `status` and `reason`."""
        score = Score.unscored(status, reason)
        timing = Timing(now - self.arrival, 0.0)
        first, offset = self._next_group, self._next_response
        self._next_group, self._next_response = len(self.groups), 0
        self.tokens = self.samples = 0
        for index in range(first, len(self.groups)):
            if self.finished[index] is not None:
                continue
            count = len(self.groups[index].responses)
            if offset and index == first:
                self._finish_slice(index, offset, (score,) * (count - offset), now)
            else:
                self._finish(index, GroupScores((score,) * count, timing))
        self._tell_when_done()

    def give_up(self) -> None:
        """Nobody waits any more: forgets what is queued and what runs."""
        self.wanted = False
        self.tokens = self.samples = 0
        if self.when_done is not None:
            self.when_done()

    def results(self, missing: Callable[[int], tuple[Score, Timing]]) -> list[GroupScores]:
        """Scores in the order of groups; `missing(index)` scores what is not finished."""
        results: list[GroupScores] = []
        for index, scores in enumerate(self.finished):
            if scores is None:
                score, timing = missing(index)
                split = self._split and self._split.get(index)
                if split:
                    scores = GroupScores(tuple(s or score for s in split.scores), timing)
                else:
                    count = len(self.groups[index].responses)
                    scores = GroupScores((score,) * count, timing)
            results.append(scores)
        return results

    def _finish(self, index: int, scores: GroupScores) -> None:
        self.finished[index] = scores
        self._unfinished -= 1

    def _tell_when_done(self) -> None:
        if not self._unfinished and self.when_done is not None:
            self.when_done()
