"""Calibrators and noise estimates: every version kept, one in force, changes counted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial

import pytest

from rewardsvc.store import calibrators, noise, revisions
from rewardsvc.store.calibrators import CalibratorKey, StoredCalibrator
from rewardsvc.store.noise import ScorerKey, StoredNoise

KEY = CalibratorKey("math", "verifier", "")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def calibrator(version, key=KEY):
    payload = {"x": [0.1, 1e-300, -2.5], "text": "✓ \0 \ud800", "none": None}
    return StoredCalibrator(key, version, "isotonic", payload, 30, 7, ("few labels",), NOW)


def estimate(version, key=KEY[:2]):
    return StoredNoise(ScorerKey(*key), version, {"rates": [0.1]}, 12, NOW)


def put(database, stored):
    module = noise if isinstance(stored, StoredNoise) else calibrators
    return database.write(lambda connection: module.put_in_force(connection, stored))


async def test_a_calibrator_comes_back_as_it_was_put(database):
    await put(database, calibrator("v1"))
    assert await database.read(partial(calibrators.find, key=KEY)) == calibrator("v1")


async def test_a_new_version_is_in_force_and_the_old_one_stays_readable(database):
    for version in ("v1", "v2"):
        await put(database, calibrator(version))
    found = await database.read(partial(calibrators.find, key=KEY))
    assert found.version == "v2"
    old = await database.read(partial(calibrators.find, key=KEY, version="v1"))
    assert old == calibrator("v1")
    assert await database.read(partial(calibrators.versions_of, key=KEY)) == ["v1", "v2"]
    assert await database.read(calibrators.versions_in_force) == {KEY: "v2"}


async def test_a_known_version_is_put_in_force_again(database):
    for version in ("v1", "v2", "v1"):
        await put(database, calibrator(version))
    assert await database.read(calibrators.versions_in_force) == {KEY: "v1"}
    assert await database.read(partial(calibrators.versions_of, key=KEY)) == ["v1", "v2"]


async def test_domains_and_scorers_are_apart(database):
    keys = [KEY, KEY._replace(domain="algebra"), KEY._replace(scorer="other")]
    for key in keys:
        await put(database, calibrator("v1", key))
    assert await database.read(calibrators.versions_in_force) == dict.fromkeys(keys, "v1")


async def test_replicas_that_fit_at_once_leave_one_in_force(database):
    versions = [f"v{n}" for n in range(8)]
    await asyncio.gather(*(put(database, calibrator(version)) for version in versions))
    in_force = await database.read(calibrators.versions_in_force)
    assert list(in_force) == [KEY]
    kept = await database.read(partial(calibrators.versions_of, key=KEY))
    assert sorted(kept) == versions
    assert await database.read(revisions.current) == len(versions)


async def test_numbers_that_json_does_not_know_are_refused(database):
    broken = StoredCalibrator(KEY, "v1", "isotonic", {"x": [float("nan")]}, 1, 1, (), NOW)
    with pytest.raises(Exception, match="not JSON compliant"):
        await put(database, broken)
    assert await database.read(revisions.current) == 0


async def test_noise_estimates_are_versioned_alike(database):
    for version in ("n1", "n2"):
        await put(database, estimate(version))
    key = ScorerKey(*KEY[:2])
    assert await database.read(partial(noise.find, key=key)) == estimate("n2")
    assert await database.read(partial(noise.find, key=key, version="n1")) == estimate("n1")
    assert await database.read(noise.versions_in_force) == {key: "n2"}
    await put(database, estimate("n1"))
    assert await database.read(noise.versions_in_force) == {key: "n1"}
    assert await database.read(revisions.current) == 3


async def test_a_time_without_a_zone_is_a_mistake(database):
    naive = StoredNoise(ScorerKey("a", "b"), "n", {}, 1, datetime(2026, 1, 1))
    with pytest.raises(Exception, match="no time zone"):
        await put(database, naive)
