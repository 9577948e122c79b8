"""What is in force, as scoring reads it: snapshots, followers, and a store that is gone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cache

import pytest
from fixtures.labelled import labels_of_scores

from rewardsvc.errors import Unavailable
from rewardsvc.labels.book import CalibratorBook, Snapshot
from rewardsvc.labels.fitting import fit
from rewardsvc.noise import NoiseCell, NoiseEstimate, RateEstimate
from rewardsvc.store import Database, calibrators, noise
from rewardsvc.store.calibrators import CalibratorKey, StoredCalibrator
from rewardsvc.store.labels import LabelRow
from rewardsvc.store.noise import ScorerKey, StoredNoise

KEY = CalibratorKey("math", "verifier", "")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@cache
def fitted(seed=0, key=KEY):
    rows = [
        LabelRow(label.sample_id, "person", label.cluster_id, label.value, label.score)
        for label in labels_of_scores(60, seed=seed)
    ]
    return fit(key, "isotonic", rows)


def estimated(rate):
    cell = NoiseCell(RateEstimate(rate, 0.0, 0.2, 50.0), RateEstimate(0.1, 0.0, 0.2, 50.0))
    estimate = NoiseEstimate("verifier", (cell,))
    return StoredNoise(ScorerKey(*KEY[:2]), estimate.version, estimate.to_json(), 50, NOW)


def put(database, stored):
    module = noise if isinstance(stored, StoredNoise) else calibrators
    return database.write(lambda connection: module.put_in_force(connection, stored))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
async def database(address):
    opened = Database(address)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_snapshot_never_changes(database):
    book = CalibratorBook(database)
    first, second = fitted(0), fitted(1)
    await put(database, first)
    await book.refresh()
    before = book.snapshot
    await put(database, second)
    await put(database, estimated(0.1))
    assert book.snapshot is before
    assert await book.refresh()
    assert before.calibrator("math", "verifier").version == first.version
    assert before.noise("math", "verifier") is None
    assert book.calibrator("math", "verifier").version == second.version
    assert book.noise("math", "verifier").cell("any").false_positive_rate.rate == 0.1
    assert (before.version, book.version) == (1, 3)


async def test_what_has_not_changed_is_not_read_again(database):
    book = CalibratorBook(database)
    other = KEY._replace(domain="algebra")
    await put(database, fitted())
    await put(database, fitted(2, other))
    await book.refresh()
    before = book.snapshot
    await book.refresh()
    assert book.snapshot is before
    await put(database, fitted(1))
    await book.refresh()
    assert book.snapshot.calibrators[other] is before.calibrators[other]
    assert book.snapshot.calibrators[KEY] is not before.calibrators[KEY]


async def test_listeners_hear_of_changes_until_they_leave(database):
    book = CalibratorBook(database)
    heard = []

    def broken(snapshot):
        raise ValueError("a listener's own trouble")

    book.on_change(broken)
    leave = book.on_change(heard.append)
    await book.refresh()
    assert heard == []  # nothing is in force yet
    await put(database, fitted())
    await book.refresh()
    assert heard == [book.snapshot]
    leave()
    await put(database, fitted(1))
    await book.refresh()
    assert len(heard) == 1


async def test_what_cannot_be_read_leaves_its_predecessor_in_force(database):
    book = CalibratorBook(database)
    good = fitted()
    await put(database, good)
    await put(database, estimated(0.1))
    await book.refresh()
    changed = {**good.payload, "labels": 10**6}
    await put(
        database,
        StoredCalibrator(KEY, "isotonic-other", "isotonic", changed, 60, 15, (), NOW),
    )
    broken = StoredNoise(ScorerKey(*KEY[:2]), "noise-other", {"schema": "future/9"}, 1, NOW)
    await put(database, broken)
    assert await book.refresh()
    assert book.calibrator("math", "verifier").version == good.version
    assert book.noise("math", "verifier").version == estimated(0.1).version
    calibrator, estimate = book.snapshot.problems
    assert "isotonic-other of math/verifier" in calibrator and "changed after" in calibrator
    assert "noise-other of math/verifier" in estimate
    # The next good one is taken up.
    await put(database, fitted(1))
    await book.refresh()
    assert book.calibrator("math", "verifier").version == fitted(1).version
    assert len(book.snapshot.problems) == 1


async def test_a_store_that_is_gone_leaves_the_last_snapshot(database):
    clock = Clock()
    book = CalibratorBook(database, clock=clock)
    await put(database, fitted())
    assert await book.refresh()
    clock.now += 5
    assert book.stale_seconds == 5
    await database.close()
    assert not await book.refresh()
    clock.now += 5
    assert book.stale_seconds == 10
    assert book.calibrator("math", "verifier").version == fitted().version
    with pytest.raises(Unavailable):
        await CalibratorBook(database).start()


async def test_polling_outlives_trouble(database, monkeypatch):
    book = CalibratorBook(database, poll_seconds=0.001)
    await book.start()
    read, failures = database.read, [Unavailable("away"), RuntimeError("a defect")]

    async def failing(work):
        if failures:
            raise failures.pop()
        return await read(work)

    monkeypatch.setattr(database, "read", failing)
    changed = asyncio.Event()
    book.on_change(lambda snapshot: changed.set())
    await put(database, fitted())
    async with asyncio.timeout(60):
        await changed.wait()
    assert failures == []
    await book.close()
    await book.close()


def test_an_empty_snapshot_knows_nothing():
    empty = Snapshot()
    assert empty.calibrator("any", "one", "at all") is None
    assert empty.noise("any", "one") is None
