"""Which work goes into the next batch: fair between tenants, earliest deadline first within.

Pure: the clock is passed in. Between tenants this is deficit round robin (Shreedhar and
Varghese, 1995) with tokens in place of bytes: at each turn a tenant earns a quantum, by its
share, and spends it on whole groups; where the number of samples is what fills a batch, a
sample costs its part of the batch. A tenant that is alone spends without limit.

Within a tenant the submission with the smallest key goes first, equals in order of arrival.
The key of a submission is its deadline; one without a deadline gets `PATIENCE_SECONDS`, so
that it ages and is never starved. A submission too large for one turn goes on as if what is
left had arrived now, behind what came before now, if it has no deadline or is ahead of the
pace its deadline needs: so it does not hold up the small ones of its own tenant. Once it is
behind that pace it keeps its deadline as its key.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping

from rewardsvc.batching.batch import Batch
from rewardsvc.batching.submission import Submission
from rewardsvc.scorers.scorer import BatchLimits

PATIENCE_SECONDS = 60.0
"""How urgent work without a deadline is: as if it were wanted this long after it arrived."""
TURNS_IN_A_BATCH = 8
"""A tenant with share 1 earns this part of a batch's tokens at each turn, so that a newcomer
is in the next batch unless more tenants than this are waiting."""
PACE_MARGIN = 2.0
"""A large submission yields to later ones while it is this many times faster than it must be."""
SMALLEST_SHARE, LARGEST_SHARE = 0.01, 100.0
TALLY_BUCKETS_PER_SECOND = 4


def check_shares(shares: Mapping[str, float]) -> None:
    """Raises ValueError unless every tenant's share is a number in [0.01, 100]."""
    for tenant, share in shares.items():
        if not SMALLEST_SHARE <= share <= LARGEST_SHARE:  # also catches NaN
            raise ValueError(
                f"the share of tenant {tenant!r} is {share!r}; "
                f"allowed is {SMALLEST_SHARE} to {LARGEST_SHARE:g}"
            )


class Tenant:
    """One tenant's queued submissions and its standing in the round robin."""

    __slots__ = ("_abandoned", "_heap", "_pushed", "_tally", "credit", "in_turn", "share", "tokens")

    def __init__(self, share: float) -> None:
        self.share = share
        self.tokens = 0
        self.credit = 0.0
        self.in_turn = False
        """Whether its turn was interrupted by a full batch: it goes on without a new quantum."""
        self._heap: list[tuple[float, int, Submission]] = []
        self._pushed = 0
        self._tally: dict[int, int] = {}
        self._abandoned = 0

    def __bool__(self) -> bool:
        return bool(self._heap)

    def push(self, submission: Submission, batch_tokens: int) -> None:
        """Queues a submission by its key."""
        tallied = submission.tokens
        if submission.deadline is None and tallied > batch_tokens:
            tallied = batch_tokens  # after one batch it yields
        submission.tallied = tallied
        bucket = int(submission.key * TALLY_BUCKETS_PER_SECOND)
        self._tally[bucket] = self._tally.get(bucket, 0) + tallied
        self._pushed += 1
        heapq.heappush(self._heap, (submission.key, self._pushed, submission))

    def first(self) -> Submission | None:
        """The submission whose turn it is, after clearing away what nobody wants."""
        heap = self._heap
        while heap:
            submission = heap[0][2]
            if submission.wanted:
                return submission
            heapq.heappop(heap)
            self._abandoned -= 1
        return None

    def pop(self) -> None:
        """Removes what `first` gave."""
        self._untally(heapq.heappop(self._heap)[2])

    def abandon(self, submission: Submission) -> None:
        """Leaves a submission nobody wants any more to be cleared away later."""
        self._untally(submission)
        self._abandoned += 1
        if self._abandoned > 64 and 2 * self._abandoned > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].wanted]
            heapq.heapify(self._heap)
            self._abandoned = 0

    def tokens_before(self, key: float) -> int:
        """Tokens that go before a newcomer with `key`, to a quarter of a second."""
        bucket = int(key * TALLY_BUCKETS_PER_SECOND)
        return sum(tokens for at, tokens in self._tally.items() if at <= bucket)

    def submissions(self) -> list[Submission]:
        """What is queued and wanted, in no order."""
        return [entry[2] for entry in self._heap if entry[2].wanted]

    def _untally(self, submission: Submission) -> None:
        bucket = int(submission.key * TALLY_BUCKETS_PER_SECOND)
        left = self._tally[bucket] - submission.tallied
        if left:
            self._tally[bucket] = left
        else:
            del self._tally[bucket]


class FairQueue:
    """The queued work of all tenants; `gather` fills the next batch from it.

    `expired` lists the submissions whose deadline passed while they were queued, for the
    caller of `gather` to finish and clear.
    """

    def __init__(self, limits: BatchLimits, shares: Mapping[str, float] | None = None) -> None:
        self._limits = limits
        self._shares = dict(shares or {})
        check_shares(self._shares)
        self._quantum = limits.max_batch_tokens / TURNS_IN_A_BATCH
        self._tokens_a_sample = limits.max_batch_tokens / limits.max_batch_samples
        self._tenants: dict[str, Tenant] = {}
        self._ring: deque[tuple[str, Tenant]] = deque()
        self.tokens = 0
        self.samples = 0
        self.expired: list[Submission] = []

    def push(self, submission: Submission) -> None:
        """Queues a new submission."""
        name = submission.tenant
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = self._tenants[name] = Tenant(self._shares.get(name, 1.0))
            self._ring.append((name, tenant))
        submission.key = first_key(submission.arrival, submission.deadline)
        tenant.push(submission, self._limits.max_batch_tokens)
        tenant.tokens += submission.tokens
        self.tokens += submission.tokens
        self.samples += submission.samples

    def remove(self, submission: Submission) -> None:
        """Takes a submission out that nobody wants any more; call before it is given up."""
        tenant = self._tenants.get(submission.tenant)
        if tenant is None or not submission.samples:
            return
        tenant.tokens -= submission.tokens
        self.tokens -= submission.tokens
        self.samples -= submission.samples
        submission.wanted = False
        if tenant.tokens:
            tenant.abandon(submission)
        else:
            del self._tenants[submission.tenant]
            self._ring.remove((submission.tenant, tenant))

    def gather(self, now: float) -> Batch | None:
        """The next batch, or None when nothing is left that is worth working on."""
        limits = self._limits
        batch = Batch(limits.max_batch_tokens, limits.max_batch_samples, now)
        ring = self._ring
        vain = 0
        while ring:
            if vain >= len(ring):
                self._skip_vain_rounds(batch)
                vain = 0
            name, tenant = ring[0]
            if len(ring) == 1:
                credit = math.inf
            else:
                if not tenant.in_turn:
                    tenant.credit += self._quantum * tenant.share
                    tenant.in_turn = True
                credit = tenant.credit
            samples = batch.samples
            spent, is_full = self._take_turn(tenant, batch, credit)
            if credit is not math.inf:
                # A batch that is full of short samples is as used up as one full of tokens.
                tenant.credit -= max(spent, (batch.samples - samples) * self._tokens_a_sample)
            if not tenant:
                ring.popleft()
                del self._tenants[name]
            elif is_full:
                break
            else:
                tenant.in_turn = False
                ring.rotate(-1)
                vain = 0 if spent else vain + 1
        return batch if batch.portions else None

    def close(self) -> list[Submission]:
        """Empties the queue and returns what was in it."""
        left = [s for tenant in self._tenants.values() for s in tenant.submissions()]
        self._tenants.clear()
        self._ring.clear()
        self.tokens = self.samples = 0
        return left

    def is_shared_by(self, tenant: str) -> bool:
        """Whether another tenant than this one has work queued."""
        return len(self._tenants) > (tenant in self._tenants)

    def tokens_until(self, tenant: str, tokens: int, key: float) -> float:
        """Tokens worked on until a newcomer's `tokens` are done, in all likelihood.

        Derived: while n tenants of equal share are active, its tenant gets one n-th of the
        throughput, so what stands before it in its own tenant counts n-fold; but never
        longer than everything that is queued.
        """
        everything = self.tokens + tokens
        own = self._tenants.get(tenant)
        share = self._shares.get(tenant, 1.0) if own is None else own.share
        shares = sum(other.share for other in self._tenants.values())
        before = 0
        if own is None:
            shares += share
        elif tokens > self._limits.max_batch_tokens:
            before = own.tokens  # it will have to yield
        else:
            before = min(own.tokens, own.tokens_before(key))
        return min(everything, shares / share * (before + tokens))

    def _take_turn(self, tenant: Tenant, batch: Batch, credit: float) -> tuple[int, bool]:
        """Moves work of one tenant into the batch; returns tokens spent and if that is full."""
        now = batch.started
        all_spent = 0
        while (submission := tenant.first()) is not None:
            deadline = submission.deadline
            if deadline is not None and now >= deadline:
                self._leave(tenant, submission.tokens, submission.samples)
                tenant.pop()
                self.expired.append(submission)
                continue
            tokens, samples = submission.tokens, submission.samples
            spent, is_full = submission.fill(batch, credit - all_spent)
            all_spent += spent
            self._leave(tenant, tokens - submission.tokens, samples - submission.samples)
            if not submission.samples:
                tenant.pop()
                continue
            if spent:
                tenant.pop()
                submission.key = next_key(submission, now)
                tenant.push(submission, self._limits.max_batch_tokens)
            if is_full or not spent:
                return all_spent, is_full
        return all_spent, False

    def _skip_vain_rounds(self, batch: Batch) -> None:
        """Gives all tenants at once what they earn in the rounds in which none could spend."""
        rounds = math.inf
        for _, tenant in self._ring:
            submission = tenant.first()
            if submission is not None:
                missing = submission.next_cost(batch) - tenant.credit
                rounds = min(rounds, math.ceil(missing / (self._quantum * tenant.share)) - 1)
        if 0 < rounds < math.inf:
            for _, tenant in self._ring:
                tenant.credit += rounds * self._quantum * tenant.share

    def _leave(self, tenant: Tenant, tokens: int, samples: int) -> None:
        tenant.tokens -= tokens
        self.tokens -= tokens
        self.samples -= samples


def first_key(arrival: float, deadline: float | None) -> float:
    """The key of a submission that arrives."""
    return arrival + PATIENCE_SECONDS if deadline is None else deadline


def next_key(submission: Submission, now: float) -> float:
    """The key of what is left of a submission after a part of it was taken at `now`."""
    deadline, arrival = submission.deadline, submission.arrival
    if deadline is None:
        return now + PATIENCE_SECONDS
    allowed = deadline - arrival
    if submission.progress() * allowed >= PACE_MARGIN * (now - arrival):
        return now + allowed
    return deadline
