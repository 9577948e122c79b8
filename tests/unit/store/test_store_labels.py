"""The table of labels, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from rewardsvc.store import labels
from rewardsvc.store.labels import LabelRow


def rows(count, **changes):
    return [
        replace(LabelRow(f"s{n}", "person", f"p{n // 4}", n % 2, n / count), **changes)
        for n in range(count)
    ]


def record(database, some, scorer="verifier"):
    return database.write(partial(labels.record, reward="math", scorer=scorer, rows=some))


def stored(database, scorer="verifier", domain=""):
    return database.read(partial(labels.labels_of, reward="math", scorer=scorer, domain=domain))


async def test_labels_come_back_as_they_were_given(database):
    row = LabelRow(
        "a'; DROP TABLE labels; --",
        "oracle",
        "prompt ✓",
        0.25,
        None,
        "correct",
        "symbolic",
        "integer",
        "algebra",
        0.05,
    )
    assert await record(database, [row]) == 0
    assert await stored(database) == [row]


async def test_the_same_labels_again_change_nothing(database):
    some = rows(20)
    assert await record(database, some) == 0
    assert await record(database, list(reversed(some))) == 0
    assert sorted(await stored(database), key=lambda row: int(row.sample_id[1:])) == some


async def test_replaced_counts_only_labels_that_said_something_else(database):
    some = rows(6)
    await record(database, some)
    changed = [replace(some[0], value=1.0), replace(some[1], score=None), *some[2:]]
    added = [replace(some[3], sample_id="new"), replace(some[3], source="judge")]
    assert await record(database, changed + added) == 2
    assert {(r.sample_id, r.source): r for r in await stored(database)} == {
        (r.sample_id, r.source): r for r in changed + added
    }


async def test_scorers_and_domains_are_apart(database):
    await record(database, rows(3, domain="algebra"))
    await record(database, rows(2), scorer="other")
    assert len(await stored(database, "other")) == 2
    assert len(await stored(database, domain="algebra")) == 3
    assert await stored(database, domain="geometry") == []
    counts = await database.read(partial(labels.count, reward="math", scorer="verifier"))
    assert counts == {"person": 3}


async def test_a_limit_keeps_the_newest(database):
    await record(database, rows(3))
    await record(database, rows(2, source="oracle"))
    newest = await database.read(
        partial(labels.labels_of, reward="math", scorer="verifier", limit=2)
    )
    assert [row.source for row in newest] == ["oracle", "oracle"]


async def test_many_labels_at_once_from_several_callers(database):
    """More than one chunk each, all over the same samples: no deadlock, nothing lost."""
    some = rows(2_500)
    replaced = await asyncio.gather(
        *(
            record(database, rows(2_500, stage=f"stage {n}")[:: 1 if n % 2 else -1])
            for n in range(4)
        )
    )
    assert len(await stored(database)) == len(some)
    assert sum(replaced) == 3 * len(some)


@pytest.mark.parametrize("wrong", [{"value": 1.5}, {"inclusion_probability": 0.0}])
async def test_what_cannot_be_is_refused_by_the_database_itself(database, wrong):
    with pytest.raises(Exception, match=r"ck_labels|CHECK constraint"):
        await record(database, rows(1, **wrong))
    assert await stored(database) == []
