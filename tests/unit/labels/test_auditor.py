"""The auditor: never in the way, never losing what it has taken on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from rewardsvc.errors import Overloaded
from rewardsvc.labels import audits as auditing
from rewardsvc.labels.audits import Auditor, truth_of
from rewardsvc.labels.sampling import AuditPlan
from rewardsvc.store import Database, audits
from rewardsvc.store.audits import FinishedAudit
from rewardsvc.store.noise import ScorerKey
from rewardsvc.types import (
    Group,
    GroupScores,
    Outcome,
    Response,
    Result,
    Score,
    Status,
    Verdict,
)

PLAN = AuditPlan("math", "verifier", "judge", 1.0, 1.0)
KEY = ScorerKey("math", "verifier")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def database(address):
    opened = Database(address)
    await opened.open()
    yield opened
    await opened.close()


class Judge:
    """Holds every response right whose text ends in an even digit; waits at a gate."""

    def __init__(self):
        self.seen = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = []
        self.failed_once = False

    async def __call__(self, groups):
        self.asked.set()
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop()
        self.seen += [group.responses[0].text for group in groups]
        return [GroupScores((self.score(group.responses[0].text),)) for group in groups]

    def score(self, text):
        if text.endswith("e") and not self.failed_once:
            self.failed_once = True
            return Score.unscored(Status.ERROR, "the engine died")
        if text.endswith("e"):
            return Score(Status.OK, 1.0)
        if text.endswith("x"):
            return Score.unscored(Status.ABSTAINED, "cannot say")
        return Score(Status.OK, float(int(text[-1]) % 2 == 0))


class Run:
    """An auditor with what it learnt."""

    def __init__(self, database, plan=PLAN):
        self.judge = Judge()
        self.heard = []
        self.learnt = 0
        self.progress = asyncio.Event()
        self.auditor = Auditor(
            plan, database, self.judge, self.learn, on_audit=lambda *told: self.heard.append(told)
        )

    async def learn(self):
        self.learnt += 1
        self.progress.set()

    async def until(self, count):
        """Waits until so many audits were judged or failed."""
        async with asyncio.timeout(60):
            while self.auditor.judged + self.auditor.failed < count:
                self.progress.clear()
                await self.progress.wait()


@pytest.fixture
async def run(database):
    started = Run(database)
    await started.auditor.start()
    yield started
    await started.auditor.close()


def observe(auditor, *responses, accepted=False, group_id="g", domain=""):
    outcome = Outcome.CORRECT if accepted else Outcome.INCORRECT
    group = Group(group_id, "p", tuple(Response(t, t) for t in responses), domain=domain)
    verdict = Verdict(outcome, "r", "exact", answer_type="integer")
    auditor.observe([group], [[Result(t, Status.OK, verdict=verdict) for t in responses]])


def outcomes(database):
    return database.read(partial(audits.uncounted, key=KEY))


def states(database):
    return database.read(partial(audits.states, key=KEY))


async def test_from_verdict_to_outcome(run, database):
    observe(run.auditor, "r0", "r1", "rx", domain="algebra")
    observe(run.auditor, "a1", accepted=True, group_id="other")
    await run.until(4)
    found = await outcomes(database)
    assert {(o.cluster_id, o.domain, o.accepted, o.value) for o in found} == {
        ("g", "algebra", False, 1.0),
        ("g", "algebra", False, 0.0),
        ("other", "", True, 0.0),
    }
    assert {(o.stage, o.answer_type, o.inclusion_probability) for o in found} == {
        ("exact", "integer", 1.0)
    }
    assert await states(database) == {"done": 3, "failed": 1}
    assert sorted(run.heard) == [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
    (monitor,) = run.auditor.monitors()
    assert (monitor.name, monitor.samples, monitor.value) == ("audits_lost", 4, 0.25)


async def test_the_same_response_is_audited_once(run, database):
    for _ in range(3):
        observe(run.auditor, "r0", "r1")
    await run.until(2)
    observe(run.auditor, "r0", "r2")
    await run.until(3)
    assert sorted(run.judge.seen) == ["r0", "r1", "r2"]


async def test_observing_never_waits_and_drops_what_does_not_fit(run, database, monkeypatch):
    run.judge.gate.clear()
    extra = 10
    # Nothing is awaited here: no other task can have taken anything from the queue.
    observe(run.auditor, *(f"r{n}" for n in range(auditing.WAITING + extra)))
    assert (run.auditor.chosen, run.auditor.dropped) == (auditing.WAITING + extra, extra)
    run.judge.gate.set()
    await run.until(auditing.WAITING)
    assert (await states(database)) == {"done": auditing.WAITING}


async def test_a_judge_that_is_busy_is_asked_again(run, database, monkeypatch):
    monkeypatch.setattr(auditing, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(auditing, "CLAIM_SECONDS", 2.0)
    monkeypatch.setattr(auditing, "IDLE_SECONDS", 0.01)
    run.judge.failures = [Overloaded("full", 1.0), RuntimeError("broken")]
    observe(run.auditor, "r0")
    await run.until(1)
    assert [outcome.value for outcome in await outcomes(database)] == [1.0]


async def test_a_sample_that_an_engine_died_of_is_judged_again(run, database, monkeypatch):
    monkeypatch.setattr(auditing, "CLAIM_SECONDS", 2.0)
    monkeypatch.setattr(auditing, "IDLE_SECONDS", 0.01)
    observe(run.auditor, "re", "r0")
    await run.until(2)
    assert await states(database) == {"done": 2}
    assert run.auditor.failed == 0
    assert sorted(run.judge.seen) == ["r0", "re", "re"]


async def test_what_one_replica_left_another_takes_up(database, monkeypatch):
    monkeypatch.setattr(auditing, "CLAIM_SECONDS", 2.0)
    monkeypatch.setattr(auditing, "IDLE_SECONDS", 0.01)
    one, other = Run(database), Run(database)
    one.judge.gate.clear()
    await one.auditor.start()
    observe(one.auditor, "r0", "r1")
    async with asyncio.timeout(60):
        await one.judge.asked.wait()
    await one.auditor.close()
    await other.auditor.start()
    await other.until(2)
    assert sorted(other.judge.seen) == ["r0", "r1"]
    await other.auditor.close()


async def test_claims(database):
    """Two replicas never hold one audit; a claim ends; the third one without an answer fails."""
    auditor = Run(database).auditor
    observe(auditor, *(f"r{n}" for n in range(6)))
    rows = [auditor._row(auditor._waiting.get_nowait()) for _ in range(6)]
    assert await database.write(partial(audits.add, rows=rows, now=NOW)) == 6
    assert await database.write(partial(audits.add, rows=rows, now=NOW)) == 0

    def claim(seconds_later, most=4):
        now = NOW + timedelta(seconds=seconds_later)
        return database.write(partial(audits.claim, key=KEY, most=most, seconds=10, now=now))

    taken = await asyncio.gather(claim(0), claim(0))
    ids = [audit.id for each in taken for audit in each]
    assert len(ids) == len(set(ids)) == 6
    assert {audit.row.fingerprint for each in taken for audit in each} == {
        row.fingerprint for row in rows
    }
    assert await claim(9) == []
    assert len(await claim(11, most=6)) == 6
    done = FinishedAudit(ids[0], 1.0, "judge")
    await database.write(partial(audits.finish, done=[done]))
    assert len(await claim(22, most=6)) == 5
    assert await claim(33, most=6) == []
    assert await states(database) == {"done": 1, "failed": 5}
    # Too late: it is failed already.
    await database.write(partial(audits.finish, done=[FinishedAudit(ids[1], 1.0, "judge")]))
    assert await states(database) == {"done": 1, "failed": 5}
    await database.write(partial(audits.mark_counted, ids=[ids[0]]))
    assert await outcomes(database) == []
    forgotten = partial(audits.forget, before=datetime.now(UTC) + timedelta(days=1))
    assert await database.write(forgotten) == 6


@pytest.mark.parametrize(
    ("score", "value"),
    [
        (Score(Status.OK, 0.5), 1.0),
        (Score(Status.OK, 0.49), 0.0),
        (Score(Status.TRUNCATED, 0.9), 1.0),
        (Score.unscored(Status.TIMEOUT, "slow"), None),
        (Score(Status.OK, 0.1, verdict=Verdict(Outcome.CORRECT, "r", "exact")), 1.0),
        (Score(Status.OK, 0.9, verdict=Verdict(Outcome.NO_ANSWER, "r", "exact")), 0.0),
        (Score(Status.OK, 0.9, verdict=Verdict(Outcome.UNDECIDED, "r", "exact")), None),
    ],
)
def test_what_a_judge_says(score, value):
    truth = truth_of(score)
    assert truth.value == value
    assert bool(truth.reason) == (value is None)
