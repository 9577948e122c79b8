"""Has a share of a verifier's verdicts judged again while it serves, to learn how often it errs.

`observe` chooses samples as they are scored and puts them in a bounded queue: it never waits,
and what does not fit is dropped and counted. Everything else happens off the scoring path: the
chosen are stored as pending audits, any replica claims some of them, the judge scores them,
and what it says is stored and goes into the noise estimate. A judge that is busy or down
delays audits, never scoring; audits that a replica had claimed when it died are taken up by
another one.

A judge errs too; the estimate is only as good as the judge, unless its own error rates are
known from gold labels.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple

import structlog

from rewardsvc.batching.batcher import Batcher
from rewardsvc.errors import Overloaded, QueueFull, Unavailable
from rewardsvc.labels.audit_samples import group_of, sample_json
from rewardsvc.labels.sampling import REJECTED, AuditPlan, Chosen, chosen
from rewardsvc.store import Database, audits
from rewardsvc.store.audits import AuditRow, ClaimedAudit, FinishedAudit
from rewardsvc.store.noise import ScorerKey
from rewardsvc.types import Group, GroupScores, Monitor, Outcome, Result, Score, Status

log = structlog.stdlib.get_logger("rewardsvc.audits")

Judge = Callable[[Sequence[Group]], Awaitable[Sequence[GroupScores]]]
"""Scores groups of one response each."""

TENANT = "audits"
"""Whose work audits are; `server.tenant_shares` can make it a small one."""
WAITING = 1_024
"""Chosen samples that wait to be stored; more are dropped."""
AT_A_TIME = 32
"""Audits that are claimed and judged together."""
CLAIM_SECONDS = 600.0
"""How long the judge may take before another replica takes the audits up."""
IDLE_SECONDS = 10.0
"""Between two looks for audits that other replicas have left."""
RETRY_SECONDS = 2.0
"""Pause after a store or a judge that did not answer."""
RIGHT = 0.5
"""A judge's score of at least this counts as right, where it gives no verdict."""


class Truth(NamedTuple):
    """What a judge says of a response: 1 for right, 0 for wrong, None with a reason."""

    value: float | None
    reason: str = ""


class Auditor:
    """Audits one scorer of one reward. Use: `start`, `observe` whatever is scored, `close`.

    Args:
        plan: What is chosen, and who judges.
        database: Where audits are kept.
        judge: Scores the chosen.
        learn: Called when new audits have been judged, to refresh the noise estimate.
        on_audit: Told of every audit: whether the verifier accepted (1 or 0), and the truth.
    """

    def __init__(
        self,
        plan: AuditPlan,
        database: Database,
        judge: Judge,
        learn: Callable[[], Awaitable[object]],
        *,
        on_audit: Callable[[float, float], None] = lambda score, truth: None,
    ) -> None:
        self.plan = plan
        self._key = ScorerKey(plan.reward, plan.scorer)
        self._database = database
        self._judge = judge
        self._learn = learn
        self._on_audit = on_audit
        self._waiting: asyncio.Queue[Chosen] = asyncio.Queue(WAITING)
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.chosen = self.dropped = self.judged = self.failed = 0
        """Samples of this replica since it started."""

    # ── on the scoring path ──────────────────────────────────────────────────────────────

    def observe(self, groups: Sequence[Group], results: Sequence[Sequence[Result]]) -> None:
        """Chooses among some samples that were scored; never waits, never raises."""
        for each in chosen(self.plan, groups, results):
            self.chosen += 1
            try:
                self._waiting.put_nowait(each)
            except asyncio.QueueFull:
                self.dropped += 1

    def monitors(self) -> list[Monitor]:
        """How the audits are doing: the share of the chosen that was lost."""
        lost = self.dropped + self.failed
        return [
            Monitor(
                "audits_lost",
                lost / self.chosen if self.chosen else None,
                self.chosen,
                scorer=self.plan.scorer,
                note=f"{self.judged} judged by {self.plan.judge}, {self.dropped} dropped while "
                f"the store was busy, {self.failed} not judged",
            )
        ]

    # ── off the scoring path ─────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Begins to store and to judge."""
        if not self._tasks:
            work = (self._store_chosen, self._judge_pending)
            self._tasks = [asyncio.create_task(self._forever(step)) for step in work]

    async def close(self) -> None:
        """Stops; what is claimed is taken up by others or after a restart. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _forever(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except (Unavailable, Overloaded) as error:
                log.info("audits wait", scorer=self._key.scorer, reason=error.message)
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                log.exception("auditing failed", reward=self._key.reward, scorer=self._key.scorer)
                await asyncio.sleep(RETRY_SECONDS)

    async def _store_chosen(self) -> None:
        """Stores what is waiting; keeps it while the store does not answer."""
        batch = [await self._waiting.get()]
        while len(batch) < AT_A_TIME and not self._waiting.empty():
            batch.append(self._waiting.get_nowait())
        rows = [self._row(each) for each in batch]
        while True:
            try:
                await self._database.write(partial(audits.add, rows=rows))
                break
            except (Unavailable, Overloaded):
                await asyncio.sleep(RETRY_SECONDS)
        self._news.set()

    async def _judge_pending(self) -> None:
        """Judges some pending audits; waits where there are none."""
        self._news.clear()
        claimed = await self._database.write(
            partial(audits.claim, key=self._key, most=AT_A_TIME, seconds=CLAIM_SECONDS)
        )
        if not claimed:
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._news.wait()
            return
        done = await self._judged(claimed)
        await self._database.write(partial(audits.finish, done=done))
        accepted = {audit.id: audit.row.accepted for audit in claimed}
        for audit in done:
            if audit.value is None:
                self.failed += 1
            else:
                self.judged += 1
                self._on_audit(float(accepted[audit.id]), audit.value)
        await self._learn()

    async def _judged(self, claimed: Sequence[ClaimedAudit]) -> list[FinishedAudit]:
        readable: list[ClaimedAudit] = []
        groups: list[Group] = []
        done: list[FinishedAudit] = []
        for audit in claimed:
            try:
                groups.append(group_of(audit.row.sample, str(audit.id), audit.row.domain))
                readable.append(audit)
            except (KeyError, TypeError, ValueError) as error:
                done.append(self._finished(audit, Truth(None, f"cannot be read: {error!r}")))
        async with asyncio.timeout(CLAIM_SECONDS / 2):
            scored = await self._judge(groups) if groups else ()
        for audit, scores in zip(readable, scored, strict=True):
            score = scores.scores[0]
            # What went wrong for once is tried again when the claim ends.
            if score.status not in (Status.ERROR, Status.TIMEOUT):
                done.append(self._finished(audit, truth_of(score)))
        return done

    def _finished(self, audit: ClaimedAudit, truth: Truth) -> FinishedAudit:
        return FinishedAudit(audit.id, truth.value, self.plan.judge, truth.reason[:1_000])

    def _row(self, each: Chosen) -> AuditRow:
        verdict, group = each.verdict, each.group
        texts = (each.response.sample_id, group.group_id, verdict.stage, verdict.answer_type)
        # PostgreSQL's text holds no NUL; only JSON can.
        sample_id, cluster_id, stage, answer_type = (t.replace("\0", "�") for t in texts)
        return AuditRow(
            self._key.reward,
            self._key.scorer,
            each.fingerprint,
            sample_id,
            cluster_id,
            verdict.outcome is Outcome.CORRECT,
            stage,
            answer_type,
            group.domain.replace("\0", "�"),
            each.inclusion_probability,
            sample_json(group, each.response),
        )


def judge_by(batcher: Batcher) -> Judge:
    """A judge that takes its turn among the callers of a scorer, as tenant `audits`."""

    async def judge(groups: Sequence[Group]) -> Sequence[GroupScores]:
        while True:
            try:
                ticket = batcher.submit(groups, tenant=TENANT)
                break
            except QueueFull:
                await batcher.room()
        with ticket:
            await ticket.wait()
            return ticket.results()

    return judge


def truth_of(score: Score) -> Truth:
    """What a judge's score says of a response: its verdict if it has one, else the value."""
    if score.verdict is not None:
        if score.verdict.outcome is Outcome.CORRECT:
            return Truth(1.0)
        if score.verdict.outcome in REJECTED:
            return Truth(0.0)
        return Truth(None, score.verdict.reason or score.reason or score.verdict.outcome.value)
    if not score.status.scored or score.value is None:
        return Truth(None, score.reason or score.status.value)
    return Truth(float(score.value >= RIGHT))
